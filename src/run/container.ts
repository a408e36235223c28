import type { Duplex } from 'node:stream';
import type { Signalled } from '../content/transport.ts';
import type { Engine } from '../engine/client.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import { isJsonObject } from '../oci/json.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';

/** How an engine finds out whether a container is well, as Docker's API takes it. */
export interface HealthCheck {
  /** `['CMD', PROGRAM, …]`, `['CMD-SHELL', TEXT]` or `['NONE']` */
  readonly test: readonly string[];
  readonly intervalNs?: number | undefined;
  readonly timeoutNs?: number | undefined;
  readonly startPeriodNs?: number | undefined;
  readonly retries?: number | undefined;
}

/** What to run, and how. */
export interface ContainerSpec {
  /** name or id of an image of the engine */
  readonly image: string;
  /** instead of the image's own command */
  readonly command?: readonly string[];
  /** instead of the image's own entrypoint; `['']` for none */
  readonly entrypoint?: readonly string[];
  /** `NAME=VALUE` */
  readonly env?: readonly string[];
  readonly workingDir?: string;
  /** `USER[:GROUP]` */
  readonly user?: string;
  /** `FOLDER|VOLUME:PATH[:ro]` */
  readonly volumes?: readonly string[];
  /** `CONTAINER[:ro]`: containers whose volumes it sees too */
  readonly volumesFrom?: readonly string[];
  readonly healthCheck?: HealthCheck;
  /** `none`, `host` or the name of a network; the engine's default one if left out */
  readonly network?: string;
  /** `NAME:ADDRESS`: hosts that it knows without asking anybody */
  readonly extraHosts?: readonly string[];
  /** further names of the container in its network */
  readonly aliases?: readonly string[];
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly platform?: Platform;
  /** give it a terminal: its output is then one stream */
  readonly tty?: boolean;
  /** let it read what is written to the attached stream */
  readonly stdin?: boolean;
  /** the engine removes it when it ends */
  readonly autoRemove?: boolean;
}

/** A container that was made, and is there until it is removed. */
export interface Container {
  readonly id: string;
  /** what the engine warned of when it made it */
  readonly warnings: readonly string[];
  /** Opens its input and output; before it starts, so that nothing is missed. */
  attach(options?: Signalled): Promise<Duplex>;
  /** @throws SlipwayError `COMMAND_FAILED` if the command can't be started */
  start(options?: Signalled): Promise<void>;
  /** Waits until it doesn't run any more, and tells its exit status. */
  wait(options?: Signalled): Promise<number>;
  /** Begins to wait for the end of one that the engine removes, before it starts. */
  watch(options?: Signalled): Promise<() => Promise<number>>;
  /** Sets the size of its terminal. */
  resize(columns: number, rows: number): Promise<void>;
  /** Asks it to end, and ends it after a while. */
  stop(graceSeconds: number): Promise<void>;
  /** Ends and removes it with its nameless volumes; one that is gone already is no error. */
  remove(): Promise<void>;
}

const MAX_ANSWER_BYTES = 64 * 1024;
/** How long an engine may take to remove what it is removing. */
const REMOVAL_MS = 30_000;

/**
 * Makes a container, which doesn't run yet.
 *
 * @throws SlipwayError `NOT_FOUND` for an image that the engine doesn't have, `USAGE` for what it
 * refuses: a name that is taken, a volume that makes no sense; `NETWORK`
 */
export async function createContainer(
  engine: Engine,
  spec: ContainerSpec,
  { signal }: Signalled = {},
): Promise<Container> {
  const { name, platform } = spec;
  const made = await engine
    .json({
      method: 'POST',
      path: '/containers/create',
      query: {
        name,
        platform:
          platform === undefined || !engine.speaks('1.41') ? undefined : formatPlatform(platform),
      },
      body: bodyOf(spec),
      what: 'make a container',
      signal,
    })
    .catch((error: unknown) => {
      // Podman says 500 for whatever it can't make.
      if (!isSlipwayError(error, 'UNSUPPORTED', 'SERVER_ERROR')) throw error;
      throw new SlipwayError('USAGE', error.message, error.facts);
    });
  if (!isJsonObject(made) || typeof made.Id !== 'string' || !/^[0-9a-f]{12,64}$/.test(made.Id)) {
    throw new SlipwayError('SERVER_ERROR', `${engine.name} made a container without an id`);
  }
  const warnings = Array.isArray(made.Warnings) ? made.Warnings.map(String) : [];
  return containerOf(engine, made.Id, warnings, spec);
}

function bodyOf(spec: ContainerSpec) {
  const { network, aliases = [], stdin = false, tty = false } = spec;
  return {
    Image: spec.image,
    Cmd: spec.command,
    Entrypoint: spec.entrypoint,
    Env: spec.env,
    WorkingDir: spec.workingDir,
    User: spec.user,
    Labels: spec.labels,
    Healthcheck: healthOf(spec.healthCheck),
    Tty: tty,
    OpenStdin: stdin,
    StdinOnce: stdin,
    AttachStdin: stdin,
    AttachStdout: true,
    AttachStderr: true,
    HostConfig: {
      Binds: spec.volumes,
      VolumesFrom: spec.volumesFrom,
      ExtraHosts: spec.extraHosts,
      NetworkMode: network,
      AutoRemove: spec.autoRemove ?? false,
    },
    ...(network === undefined || aliases.length === 0
      ? {}
      : { NetworkingConfig: { EndpointsConfig: { [network]: { Aliases: aliases } } } }),
  };
}

function healthOf(check: HealthCheck | undefined) {
  if (check === undefined) return undefined;
  return {
    Test: check.test,
    Interval: check.intervalNs,
    Timeout: check.timeoutNs,
    StartPeriod: check.startPeriodNs,
    Retries: check.retries,
  };
}

function containerOf(
  engine: Engine,
  id: string,
  warnings: readonly string[],
  { stdin = false }: ContainerSpec,
): Container {
  const path = `/containers/${id}`;
  const post = async (
    action: string,
    what: string,
    query: Readonly<Record<string, string | number>> = {},
    options: Signalled = {},
  ): Promise<void> => {
    const request = { method: 'POST', path: `${path}/${action}`, query, what, ...options } as const;
    await (await engine.send(request)).drop();
  };
  const watch = async (condition: string, { signal }: Signalled = {}) => {
    const what = 'wait for a container';
    const query = { condition };
    // The engine answers when it has begun to watch, and goes on when the container has ended.
    const answer = await engine.send({ method: 'POST', path: `${path}/wait`, query, what, signal });
    return async (): Promise<number> => {
      const ended: unknown = JSON.parse((await answer.read(MAX_ANSWER_BYTES)).toString());
      const status = isJsonObject(ended) ? ended.StatusCode : undefined;
      if (typeof status === 'number') return status;
      throw new SlipwayError('SERVER_ERROR', `${engine.name} didn't tell how a container ended`);
    };
  };
  const untilRemoved = async (): Promise<void> => {
    try {
      const read = await watch('removed', { signal: AbortSignal.timeout(REMOVAL_MS) });
      await read();
    } catch (error) {
      if (!isSlipwayError(error, 'NOT_FOUND')) throw error;
    }
  };
  return {
    id,
    warnings,
    async attach({ signal } = {}) {
      const query = { stream: 1, stdout: 1, stderr: 1, ...(stdin ? { stdin: 1 } : {}) };
      const request = { method: 'POST', path: `${path}/attach`, query, signal } as const;
      // Podman prepares the command here already.
      return await engine
        .upgrade({ ...request, what: 'start the command' }, 'tcp')
        .catch((error: unknown) => {
          throw notStarted(error);
        });
    },
    async start(options) {
      await post('start', 'start the command', {}, options).catch((error: unknown) => {
        throw notStarted(error);
      });
    },
    async wait(options) {
      const read = await watch('not-running', options);
      return await read();
    },
    watch: (options) => watch('removed', options),
    resize: (columns, rows) => post('resize', 'resize a terminal', { w: columns, h: rows }),
    stop: (graceSeconds) => post('stop', 'stop a container', { t: graceSeconds }),
    async remove() {
      const query = { force: 1, v: 1 };
      const what = 'remove a container';
      try {
        await (await engine.send({ method: 'DELETE', path, query, what })).drop();
      } catch (error) {
        const status = isSlipwayError(error) ? error.facts.status : undefined;
        if (status !== 404 && status !== 409) throw error;
        // The engine is removing it by itself: gone is what is gone.
        if (status === 409) await untilRemoved();
      }
    },
  };
}

function notStarted(error: unknown): unknown {
  return isSlipwayError(error) && error.facts.status !== undefined
    ? new SlipwayError('COMMAND_FAILED', error.message, error.facts)
    : error;
}
