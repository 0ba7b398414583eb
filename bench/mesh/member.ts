import './small_heap.js';

// As bin/chunkmesh.ts does.
await import('./member_main.js');
