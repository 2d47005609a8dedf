import test from 'ava';
import { schedulerContract } from '../../../contract/scheduler.js';

schedulerContract(test, 'sh', { weighted: true, tolerance: 250 });
