/**
 * An Ed25519 key that is a member's: in a file, in a systemd credential, in a token (P-13.2). What it is made of has no accessor, and
 * prints as redacted.
 */
export interface IdentityKey {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /**
   * 64 bytes (RFC 8032). Of a token, as long as that takes.
   * @throws E_KEY_TOKEN where the token is gone or fails: the same call may succeed later; E_KEY_PIN where it takes the PIN no more
   */
  sign(message: Uint8Array): Uint8Array;
  /** Gives back what it holds of a token. It signs no more. */
  close(): void;
}
