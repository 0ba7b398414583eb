import { keepHeapSmall } from '../../agent/io/small_heap.js';

/** First of all that a member loads, as `chunkmesh agent` does. */
keepHeapSmall();
