export {
  ArtifactIndex,
  decodeIndex,
  type ExpectedArtifact,
  encodeIndex,
  type IndexParts,
  indexByteLength,
} from './artifact_index.js';
export { Bitfield } from './bitfield.js';
export { Chunker, chunkBounds, firstAverageLog2, isArtifactSize, isAverageLog2 } from './chunker.js';
export { type Announcement, digestBits, digestLacks, digestOffers, isAnnouncement, makeDigest } from './digest.js';
export { GEAR } from './gear.js';
export { indexArtifact, type OpenArtifact } from './indexer.js';
