/** Long use: nothing grows. */
import { eachCase } from './each-case';

eachCase('growth');
