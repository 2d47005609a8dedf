import test from 'ava';
import { schedulerContract } from '../../../contract/scheduler.js';

schedulerContract(test, 'wrr', { weighted: true, tolerance: 0 });
