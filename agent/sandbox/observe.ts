/**
 * What is in a network sandbox, as ip and bridge show it: few processes for everything, as it is asked again and again.
 */
import { ipShow } from '../../kernel/netns/links.js';
import type { Namespace } from '../../kernel/netns/netns.js';
import { run } from '../../kernel/run/runner.js';
import { FABRIC_LINK } from './fabric-plan.js';
import { foundLinks } from './layout.js';
import type { Observed, ShownNeighbour, ShownRoute, ShownRule } from './repair-plan.js';

/** Throws CommandError. */
export async function observe(sandbox: Namespace, ipv6: boolean): Promise<Observed> {
  const [rawLinks, routes, neighbours, rules] = (await ipShow(sandbox, ['address show', 'route show', 'neigh show nud permanent', 'rule show'], ['-details'])) as [unknown[], ShownRoute[], ShownNeighbour[], ShownRule[]];
  const links = foundLinks(rawLinks);
  const [routes6, rules6] = (ipv6 ? await ipShow(sandbox, ['route show', 'rule show'], ['-6']) : [[], []]) as [ShownRoute[], ShownRule[]];
  const fabric = links.some(({ name }) => name === FABRIC_LINK);
  const forwarding = fabric ? (JSON.parse((await run('bridge', ['-json', 'fdb', 'show', 'dev', FABRIC_LINK], { netns: sandbox })) || '[]') as unknown[]) : [];
  return { links, rawLinks, routes: [...routes, ...routes6], neighbours, forwarding, rules, rules6 };
}
