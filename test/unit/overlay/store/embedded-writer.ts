/**
 * A process that commits without end, to be killed: `embedded-writer.js DIRECTORY FIRST`. Transaction i writes log/<i> and
 * five keys that must always agree; when it is acknowledged, i goes to stdout. Eight are under way at any time.
 */
import { writeSync } from 'node:fs';
import { openEmbeddedStore } from '../../../../overlay/store/embedded.js';

const [directory = '', first = '1'] = process.argv.slice(2);
const store = openEmbeddedStore(directory);
let next = Number(first);

async function commitForEver(): Promise<void> {
  for (;;) {
    const i = next++;
    const same = Array.from({ length: 5 }, (_, k) => ({ put: `same/${k}`, value: i }));
    if ((await store.commit([], [...same, { put: `log/${i}`, value: 'x'.repeat(i % 3000) }])) === undefined) throw new Error('a compare failed without compares');
    writeSync(1, `${i}\n`);
  }
}

await Promise.all(Array.from({ length: 8 }, commitForEver));
