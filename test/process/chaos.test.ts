/** Random operations: nothing crashes, everything ends once, nothing is left. */
import { eachCase } from './each-case';

eachCase('chaos');
