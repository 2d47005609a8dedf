/**
 * Go-like templates over plain objects: the part of text/template that Docker's --format is used for.
 *
 *   {{.Name}} {{.Spec.Name}} {{json .}}            fields (any case), functions (functions.ts), pipes: {{.Name | upper}}
 *   {{range .Vips}}{{.Address}}{{else}}-{{end}}    the dot becomes each element; {{range $i, $v := .X}} names them
 *   {{if eq .State "running"}}…{{else if …}}…{{else}}…{{end}}      {{with .Health}}…{{end}}      {{$x := .Name}}
 *   {{- … -}} trims blanks; what is between slash-stars is a comment; \t and \n in the text are a tab and a new line
 *
 * A field that is not there is `<no value>`, as for a map in Go: an object leaves out what it does not have. Parsing and
 * running are apart, so that a bad template is refused before anything is asked of the agent.
 */
import { FUNCTIONS, truth } from './functions.js';
import { splitTemplate, tokenize, unescapeText } from './lexer.js';
import type { Piece, Token } from './lexer.js';
import { field, FormatError, textOf } from './lookup.js';

type Expression =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'field'; readonly of: 'dot' | { readonly variable: string }; readonly names: readonly string[] }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Expression[] };

type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'print'; readonly value: Expression }
  | { readonly kind: 'assign'; readonly name: string; readonly value: Expression }
  | { readonly kind: 'if' | 'with'; readonly value: Expression; readonly body: readonly Node[]; readonly otherwise: readonly Node[] }
  | { readonly kind: 'range'; readonly key?: string; readonly item?: string; readonly value: Expression; readonly body: readonly Node[]; readonly otherwise: readonly Node[] };

export type Template = readonly Node[];

/** Throws FormatError. */
export function parseTemplate(text: string): Template {
  const parser = new Parser(splitTemplate(text));
  return parser.parse();
}

/** Throws FormatError for a function that is given what it cannot take. */
export function runTemplate(template: Template, value: unknown): string {
  return run(template, value, new Map([['', value]]));
}

class Parser {
  #at = 0;
  constructor(readonly pieces: readonly Piece[]) {}

  parse(): Node[] {
    const { nodes, end } = this.#block();
    if (end !== undefined) throw new FormatError(`'{{${end}}}' without a {{range}}, {{if}} or {{with}} before it`);
    return nodes;
  }

  /** Nodes up to an `end` or `else` (which is answered), or to the end of the template. */
  #block(): { nodes: Node[]; end: string | undefined } {
    const nodes: Node[] = [];
    for (let piece = this.pieces[this.#at]; piece; piece = this.pieces[this.#at]) {
      this.#at++;
      if ('text' in piece) nodes.push({ kind: 'text', text: unescapeText(piece.text) });
      else if (piece.action === 'end' || /^else\b/.test(piece.action)) return { nodes, end: piece.action };
      else nodes.push(this.#action(piece.action));
    }
    return { nodes, end: undefined };
  }

  #action(action: string): Node {
    const tokens = new Tokens(tokenize(action), action);
    const first = tokens.peek();
    if (first?.kind === 'word' && (first.text === 'if' || first.text === 'with' || first.text === 'range')) {
      tokens.next();
      return first.text === 'range' ? this.#range(tokens, action) : this.#conditional(first.text, tokens, action);
    }
    const target = tokens.takeAssignment();
    if (target?.length === 1) return { kind: 'assign', name: target[0] ?? '', value: tokens.wholePipeline() };
    if (target) throw new FormatError(`'{{${action}}}' names two variables: only range does that`);
    return { kind: 'print', value: tokens.wholePipeline() };
  }

  #conditional(kind: 'if' | 'with', tokens: Tokens, action: string): Node {
    const value = tokens.wholePipeline();
    const { body, otherwise } = this.#branches(action);
    return { kind, value, body, otherwise };
  }

  #range(tokens: Tokens, action: string): Node {
    const names = tokens.takeAssignment() ?? [];
    const value = tokens.wholePipeline();
    const { body, otherwise } = this.#branches(action);
    const item = names.at(-1);
    const key = names.length === 2 ? names[0] : undefined;
    return { kind: 'range', value, body, otherwise, ...(key === undefined ? {} : { key }), ...(item === undefined ? {} : { item }) };
  }

  #branches(action: string): { body: Node[]; otherwise: Node[] } {
    const { nodes: body, end } = this.#block();
    if (end === undefined) throw new FormatError(`'{{${action}}}' has no {{end}}`);
    if (end === 'end') return { body, otherwise: [] };
    const chained = /^else\s+(?<rest>(?:if|with)\b.*)$/s.exec(end)?.groups?.['rest'];
    if (chained !== undefined) return { body, otherwise: [this.#action(chained)] }; // its {{end}} is ours
    if (end !== 'else') throw new FormatError(`'{{${end}}}' makes no sense`);
    const { nodes: otherwise, end: last } = this.#block();
    if (last !== 'end') throw new FormatError(`'{{${action}}}' has no {{end}} after its {{else}}`);
    return { body, otherwise };
  }
}

/** The tokens of one action, read from the left. */
class Tokens {
  #at = 0;
  constructor(
    readonly tokens: readonly Token[],
    readonly action: string,
  ) {}

  peek = (ahead = 0): Token | undefined => this.tokens[this.#at + ahead];
  next = (): Token | undefined => this.tokens[this.#at++];

  /** `$x :=`, `$i, $x :=` (or `=`): the names, when the action begins so. */
  takeAssignment(): string[] | undefined {
    const names: string[] = [];
    for (let at = 0; ; at += 2) {
      const variable = this.peek(at);
      const mark = this.peek(at + 1);
      if (variable?.kind !== 'variable' || variable.names.length > 0 || mark?.kind !== 'mark') return undefined;
      names.push(variable.name);
      if (mark.text === ':=' || mark.text === '=') {
        this.#at += at + 2;
        return names;
      }
      if (mark.text !== ',' || names.length === 2) return undefined;
    }
  }

  wholePipeline(): Expression {
    const value = this.#pipeline();
    const rest = this.peek();
    if (rest) throw this.#fault(rest);
    return value;
  }

  #pipeline(): Expression {
    let value = this.#command();
    for (let mark = this.peek(); mark?.kind === 'mark' && mark.text === '|'; mark = this.peek()) {
      this.next();
      const next = this.#command();
      if (next.kind !== 'call') throw new FormatError(`only a function can follow '|' in '{{${this.action}}}'`);
      value = { ...next, args: [...next.args, value] };
    }
    return value;
  }

  #command(): Expression {
    const first = this.peek();
    if (first?.kind !== 'word') return this.#operand();
    this.next();
    if (!Object.hasOwn(FUNCTIONS, first.text)) {
      throw new FormatError(`unknown function '${first.text}' in '{{${this.action}}}': there are ${Object.keys(FUNCTIONS).join(', ')}; a field begins with a dot`);
    }
    const args: Expression[] = [];
    for (let token = this.peek(); token && !(token.kind === 'mark' && token.text !== '('); token = this.peek()) args.push(this.#operand());
    return { kind: 'call', name: first.text, args };
  }

  #operand(): Expression {
    const token = this.next();
    if (token?.kind === 'field') return { kind: 'field', of: 'dot', names: token.names };
    if (token?.kind === 'variable') return { kind: 'field', of: { variable: token.name }, names: token.names };
    if (token?.kind === 'literal') return { kind: 'value', value: token.value };
    if (token?.kind === 'mark' && token.text === '(') {
      const inner = this.#pipeline();
      const close = this.next();
      if (close?.kind === 'mark' && close.text === ')') return inner;
      throw new FormatError(`'(' without ')' in '{{${this.action}}}'`);
    }
    throw this.#fault(token);
  }

  #fault(token: Token | undefined): FormatError {
    const text = token && 'text' in token ? `'${token.text}'` : 'a value';
    return new FormatError(token ? `${text} is not expected in '{{${this.action}}}'` : `'{{${this.action}}}' is not complete`);
  }
}

type Variables = ReadonlyMap<string, unknown>;

function run(nodes: readonly Node[], dot: unknown, outer: Variables): string {
  let text = '';
  const variables = new Map(outer);
  for (const node of nodes) {
    if (node.kind === 'text') text += node.text;
    else if (node.kind === 'print') text += textOf(evaluate(node.value, dot, variables));
    else if (node.kind === 'assign') variables.set(node.name, evaluate(node.value, dot, variables));
    else if (node.kind === 'range') text += runRange(node, dot, variables);
    else {
      const value = evaluate(node.value, dot, variables);
      if (truth(value)) text += run(node.body, node.kind === 'with' ? value : dot, variables);
      else text += run(node.otherwise, dot, variables);
    }
  }
  return text;
}

function runRange(node: Node & { kind: 'range' }, dot: unknown, variables: Variables): string {
  const value = evaluate(node.value, dot, variables);
  const entries = entriesOf(value);
  if (entries.length === 0) return run(node.otherwise, dot, variables);
  return entries
    .map(([key, item]) => {
      const inner = new Map(variables);
      if (node.key !== undefined) inner.set(node.key, key);
      if (node.item !== undefined) inner.set(node.item, item);
      return run(node.body, item, inner);
    })
    .join('');
}

/** Of an object in the order of its keys, as Go ranges over a map. */
function entriesOf(value: unknown): [string | number, unknown][] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return (value as unknown[]).map((item, index) => [index, item]);
  if (typeof value === 'object') return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  throw new FormatError(`range wants a list or an object, not ${textOf(value)}`);
}

function evaluate(expression: Expression, dot: unknown, variables: Variables): unknown {
  if (expression.kind === 'value') return expression.value;
  if (expression.kind === 'call') {
    return FUNCTIONS[expression.name]?.(...expression.args.map((argument) => evaluate(argument, dot, variables)));
  }
  const { of, names } = expression;
  if (of !== 'dot' && !variables.has(of.variable)) throw new FormatError(`$${of.variable} is not set here`);
  const start = of === 'dot' ? dot : variables.get(of.variable);
  return names.reduce((value, name) => field(value, name), start);
}
