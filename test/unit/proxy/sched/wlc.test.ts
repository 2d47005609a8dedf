import test from 'ava';
import { schedulerContract } from '../../../contract/scheduler.js';

schedulerContract(test, 'wlc', { weighted: true, tolerance: 4 });
