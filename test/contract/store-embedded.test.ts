import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { openEmbeddedStore } from '../../overlay/store/embedded.js';
import { storeContract } from './store.js';

storeContract(test, 'embedded', () => {
  const directory = mkdtempSync(join(tmpdir(), 'vipmesh-store-'));
  return Promise.resolve({
    open: (history) => Promise.resolve(openEmbeddedStore(directory, history === undefined ? {} : { history })),
    remove: () => Promise.resolve(rmSync(directory, { recursive: true })),
  });
});
