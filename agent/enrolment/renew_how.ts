/** Whether a certificate is renewed, and with which key (P-13.12). A module of its own: `--help` needs it, and nothing else of the agent. */

export const RENEW_HOWS = ['never', 'same-key', 'new-key'] as const;
export type RenewHow = (typeof RENEW_HOWS)[number];
