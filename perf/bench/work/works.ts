/**
 * All work, in the order in which it is done.
 */
import { bulks } from './bulk.js';
import { connect } from './connect.js';
import { flows } from './flows.js';
import { held } from './held.js';
import { http } from './http.js';
import { latency } from './latency.js';
import { udps } from './udp.js';
import type { Work } from './work.js';

export const WORKS: readonly Work[] = [...bulks, http, latency, connect, ...udps, held, flows];
