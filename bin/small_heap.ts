import { keepHeapSmall } from '../agent/io/small_heap.js';

/** First of all that the command loads: by then the heap has not grown yet. */
if (process.argv[2] === 'agent') keepHeapSmall();
