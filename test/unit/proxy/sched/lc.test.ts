import test from 'ava';
import { schedulerContract } from '../../../contract/scheduler.js';

schedulerContract(test, 'lc', { weighted: false, tolerance: 0 });
