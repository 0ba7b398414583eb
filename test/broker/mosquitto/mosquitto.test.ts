import { pino } from 'pino';
import { expect, it, vi } from 'vitest';
import { findMosquitto } from '../../../broker/mosquitto/executable.js';
import { Mosquitto } from '../../../broker/mosquitto/mosquitto.js';

vi.mock('../../../broker/mosquitto/executable.js', async (original) => ({
  ...(await original<object>()),
  findMosquitto: vi.fn(() => null),
}));

it('says how to install a mosquitto that is not there', async () => {
  const options = { fleetDir: '/nowhere', host: '127.0.0.1', port: 0, logger: pino({ level: 'silent' }) };
  await expect(Mosquitto.start(options)).rejects.toMatchObject({
    code: 'E_NOT_INSTALLED',
    message: expect.stringContaining('apt-get install mosquitto'),
  });
  expect(findMosquitto).toHaveBeenCalled();
});
