/**
 * Commands of nft(8), as data and as the text of one batch. `nft -f` makes one transaction of a batch: all of it is there from one
 * packet to the next, or nothing is. Pure.
 */
import type { BaseChain, NftMap } from './table.js';

export type Command =
  | { readonly do: 'add-table' | 'delete-table' }
  | { readonly do: 'add-map'; readonly map: string; readonly key: NftMap['key']; readonly value: NftMap['value']; readonly expression?: string }
  | { readonly do: 'delete-map'; readonly map: string }
  | { readonly do: 'delete-set'; readonly map: string }
  | { readonly do: 'add-counter'; readonly counter: string }
  | { readonly do: 'add-chain'; readonly chain: string; readonly base?: BaseChain }
  | { readonly do: 'flush-chain' | 'delete-chain'; readonly chain: string }
  | { readonly do: 'add-rule'; readonly chain: string; readonly rule: string }
  | { readonly do: 'add-elements'; readonly map: string; readonly elements: readonly (readonly [key: string, value: string])[] }
  | { readonly do: 'delete-elements'; readonly map: string; readonly keys: readonly string[] };

/** One line, without an end. */
export function commandText(table: string, command: Command): string {
  const of = `ip ${table}`;
  switch (command.do) {
    case 'add-table':
      return `add table ${of}`;
    case 'delete-table':
      return `delete table ${of}`;
    case 'add-map':
      if (command.value === '') return `add set ${of} ${command.map} { ${command.expression === undefined ? `type ${command.key}` : `typeof ${command.expression}`} ; }`;
      return `add map ${of} ${command.map} { type ${command.key} : ${command.value} ; }`;
    case 'delete-map':
      return `delete map ${of} ${command.map}`;
    case 'delete-set':
      return `delete set ${of} ${command.map}`;
    case 'add-counter':
      return `add counter ${of} ${command.counter}`;
    case 'add-chain':
      return `add chain ${of} ${command.chain}${command.base ? ` ${baseText(command.base)}` : ''}`;
    case 'flush-chain':
      return `flush chain ${of} ${command.chain}`;
    case 'delete-chain':
      return `delete chain ${of} ${command.chain}`;
    case 'add-rule':
      return `add rule ${of} ${command.chain} ${command.rule}`;
    case 'add-elements':
      return `add element ${of} ${command.map} { ${command.elements.map(([key, value]) => (value === '' ? key : `${key} : ${value}`)).join(', ')} }`;
    case 'delete-elements':
      return `delete element ${of} ${command.map} { ${command.keys.join(', ')} }`;
  }
}

function baseText({ type, hook, priority }: BaseChain): string {
  return `{ type ${type} hook ${hook} priority ${priority} ; policy accept ; }`;
}

/** Standard input of `nft -f -`. */
export function batchText(table: string, commands: readonly Command[]): string {
  return commands.map((command) => `${commandText(table, command)}\n`).join('');
}
