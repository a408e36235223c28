import { setTimeout as delay } from 'node:timers/promises';
import type { Engine } from '../engine/client.ts';
import { SlipwayError } from '../errors.ts';
import { isJsonObject } from '../oci/json.ts';

const ASK_AGAIN_MS = 200;

/**
 * Waits until a container's own check says that it is well.
 *
 * @throws SlipwayError `COMMAND_FAILED` if it never is, or ends
 */
export async function untilHealthy(
  engine: Engine,
  id: string,
  service: string,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const request = { method: 'GET', path: `/containers/${id}/json`, signal } as const;
    const told = await engine.json({ ...request, what: `look at the service ${service}` });
    const state = isJsonObject(told) && isJsonObject(told.State) ? told.State : {};
    const health = isJsonObject(state.Health) ? state.Health.Status : undefined;
    if (health === 'healthy') return;
    if (health === 'unhealthy' || state.Running === false) {
      const why = health === 'unhealthy' ? 'is not healthy' : 'ended before it was healthy';
      throw new SlipwayError('COMMAND_FAILED', `the service ${service} ${why}`, {
        hint: 'its own lines may say why; healthcheck in the services file says what is asked',
      });
    }
    await delay(ASK_AGAIN_MS, undefined, { signal });
  }
}
