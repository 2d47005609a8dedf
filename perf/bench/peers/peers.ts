/**
 * All peers, in the order of the tables.
 */
import { haproxies } from './haproxy.js';
import { nft } from './nft.js';
import { nginx } from './nginx.js';
import { nodePipe } from './node-pipe.js';
import { none } from './none.js';
import { offloadedNft } from './offloaded-nft.js';
import type { Peer } from './peer.js';
import { relay } from './relay.js';
import { vip, vipPoll } from './vip.js';

export const PEERS: readonly Peer[] = [none, nft, offloadedNft, vip, vipPoll, ...haproxies, nginx, relay, nodePipe];
