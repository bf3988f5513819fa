/** Memory that JavaScript takes away or forgets, idle and in flight. */
import { eachCase } from './each-case';

eachCase('memory');
