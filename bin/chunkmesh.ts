#!/usr/bin/env node
import './small_heap.js';

// Loaded afterwards: to load all of it makes so much garbage that the space for young objects would have grown before.
await import('./main.js');
