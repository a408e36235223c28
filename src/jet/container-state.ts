import { setTimeout as delay } from 'node:timers/promises';
import type { Engine } from '../engine/client.ts';
import { SlipwayError } from '../errors.ts';
import { isJsonObject, type JsonObject } from '../oci/json.ts';

const ASK_AGAIN_MS = 200;
/** An engine may never ask: Podman does so only where systemd runs. */
const LONGEST_MS = 10 * 60_000;

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
  const startedAt = performance.now();
  for (;;) {
    const told = await look(engine, id, signal);
    const state = isJsonObject(told.State) ? told.State : {};
    const health = isJsonObject(state.Health) ? state.Health.Status : undefined;
    if (health === 'healthy') return;
    if (health === 'unhealthy' || state.Running === false) {
      const why = health === 'unhealthy' ? 'is not healthy' : 'ended before it was healthy';
      throw new SlipwayError('COMMAND_FAILED', `the service ${service} ${why}`, {
        hint: 'its own lines may say why; healthcheck in the services file says what is asked',
      });
    }
    if (performance.now() - startedAt > LONGEST_MS) {
      throw new SlipwayError(
        'COMMAND_FAILED',
        `the service ${service} is not healthy after ${LONGEST_MS / 60_000} minutes`,
        { hint: 'Podman asks only where systemd runs; leave healthcheck out there' },
      );
    }
    await delay(ASK_AGAIN_MS, undefined, { signal });
  }
}

/** A container's address in a network; undefined for one that has ended already. */
export async function addressOf(
  engine: Engine,
  id: string,
  network: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { NetworkSettings: settings } = await look(engine, id, signal);
  const networks = isJsonObject(settings) ? settings.Networks : undefined;
  const own = isJsonObject(networks) ? networks[network] : undefined;
  const address = isJsonObject(own) ? own.IPAddress : undefined;
  return typeof address === 'string' && address !== '' ? address : undefined;
}

async function look(engine: Engine, id: string, signal: AbortSignal): Promise<JsonObject> {
  const path = `/containers/${id}/json`;
  const told = await engine.json({ method: 'GET', path, what: 'look at a container', signal });
  return isJsonObject(told) ? told : {};
}
