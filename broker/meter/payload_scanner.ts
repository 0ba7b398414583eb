/** Finds how many bytes of an artifact a message carries. */
export interface PayloadScanner {
  scan(message: Uint8Array): number;
}
