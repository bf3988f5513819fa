/** How processes and workers end while the library is at work. */
import { eachCase } from './each-case';

eachCase('exit');
