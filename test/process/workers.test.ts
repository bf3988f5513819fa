/** Many threads at once, and workers that are terminated while they are at work. */
import { eachCase } from './each-case';

eachCase('workers');
