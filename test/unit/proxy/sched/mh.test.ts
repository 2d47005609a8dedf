import test from 'ava';
import { schedulerContract } from '../../../contract/scheduler.js';

schedulerContract(test, 'mh', { weighted: true, tolerance: 150 });
