import type { SessionEvents } from '../../agent/transport/session_types.js';

/** For a session whose owner listens to nothing, or to some of it. */
export const QUIET: SessionEvents = {
  onOpen() {},
  onRequest() {},
  onCancel() {},
  onReject() {},
  onData() {},
  onHave() {},
  onPeers() {},
  onComing() {},
  onClosed() {},
};
