import type { HealthCheck } from '../run/container.ts';
import type { CredentialWords, Link, Service, ServiceBuild } from './definition.ts';
import { textsOf, type Value } from './document.ts';
import { nanosecondsOf } from './duration.ts';
import { argumentsOf, environmentOf } from './variable-words.ts';
import { commandOf } from './words.ts';

/** Fields of compose files that jet takes and does nothing with. */
const IGNORED = new Set(
  `cap_add cap_drop cgroup_parent container_name cpu_shares cpuset devices dns dns_search domainname
  expose extends external_links extra_hosts hostname ipc isolation labels log_driver log_opt logging
  mac_address mem_limit memswap_limit net network_mode networks pid ports privileged read_only
  restart security_opt shm_size stdin_open stop_grace_period stop_signal tmpfs tty ulimits
  volume_driver`.split(/\s+/),
);
const KNOWN = new Set(
  `build image command entrypoint working_dir user environment env_file encrypted_environment
  encrypted_env_file links depends_on volumes volumes_from add_docker cached default_cache_branch
  dockercfg_service encrypted_dockercfg_path dockercfg_path healthcheck`.split(/\s+/),
);

/** Where the fields of a file that mean nothing here are told. */
export type Warn = (message: string) => void;

/**
 * Reads the services of a services file, in their order.
 *
 * @throws SlipwayError `CONFIG_INVALID`
 */
export function readServices(file: Value, warn: Warn): ReadonlyMap<string, Service> {
  const top = file.fields();
  const wrapped = top.get('services');
  const isWrapped = wrapped?.isMap === true && !isService(wrapped);
  const entries = isWrapped ? wrapped.fields() : top;
  const services = new Map<string, Service>();
  for (const [name, value] of entries) {
    if (!isWrapped && name === 'version' && value.isText) continue;
    if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(name)) {
      throw value.wrong('has a name that no service can have', 'letters, digits, _, . and -');
    }
    services.set(name, readService(name, value, warn));
  }
  if (services.size === 0) throw file.wrong('defines no service');
  return services;
}

/** A service may be called `services`. */
function isService(value: Value): boolean {
  const fields = value.fields();
  return ['build', 'image'].some((name) => fields.get(name)?.isText === true);
}

function readService(name: string, where: Value, warn: Warn): Service {
  const fields = where.fields();
  for (const [field, value] of fields) {
    if (!KNOWN.has(field) && !IGNORED.has(field)) {
      warn(`${value.where}: ${value.field} is unknown, and ignored`);
    }
  }
  const build = fields.get('build');
  const image = fields.get('image');
  if (build === undefined && image === undefined) {
    throw where.wrong('has neither build nor image', 'say build: FOLDER, or image: NAME');
  }
  const given = build === undefined ? undefined : readBuild(build, image, warn);
  if (given === undefined && image?.text() === '') throw image.wrong('is empty');
  const command = fields.get('command');
  const entrypoint = fields.get('entrypoint');
  const workingDir = fields.get('working_dir')?.text();
  const user = fields.get('user')?.text();
  const health = fields.get('healthcheck');
  return {
    name,
    where,
    ...(given === undefined ? {} : { build: given }),
    ...(image === undefined || given !== undefined ? {} : { image }),
    ...(command === undefined ? {} : { command: commandOf(command) }),
    ...(entrypoint === undefined ? {} : { entrypoint: entrypointOf(entrypoint) }),
    ...(workingDir === undefined ? {} : { workingDir }),
    ...(user === undefined ? {} : { user }),
    variables: environmentOf(fields),
    links: (fields.get('links')?.list() ?? []).map(readLink),
    dependsOn: dependenciesOf(fields.get('depends_on')),
    volumes: (fields.get('volumes')?.list() ?? []).map(readVolume),
    volumesFrom: (fields.get('volumes_from')?.list() ?? []).map(readVolumesFrom),
    addDocker: fields.get('add_docker')?.flag() ?? false,
    cached: fields.get('cached')?.flag() ?? false,
    defaultCacheBranch: fields.get('default_cache_branch')?.text() ?? 'master',
    ...(health === undefined ? {} : { healthcheck: readHealthCheck(health) }),
    credentials: credentialsOf(fields),
  };
}

/** The fields that say where credentials are, of a service or step. */
export function credentialsOf(fields: ReadonlyMap<string, Value>): CredentialWords {
  const value = (name: string): Value | undefined => {
    const found = fields.get(name);
    if (found !== undefined && found.text() === '') throw found.wrong('is empty');
    return found;
  };
  const encryptedDockercfgPath = value('encrypted_dockercfg_path');
  const dockercfgService = value('dockercfg_service');
  const dockercfgPath = value('dockercfg_path');
  return {
    ...(encryptedDockercfgPath === undefined ? {} : { encryptedDockercfgPath }),
    ...(dockercfgService === undefined ? {} : { dockercfgService }),
    ...(dockercfgPath === undefined ? {} : { dockercfgPath }),
  };
}

function readBuild(value: Value, beside: Value | undefined, warn: Warn): ServiceBuild {
  const none = { plain: [], files: [], encrypted: [], encryptedFiles: [] };
  if (value.isText) {
    return {
      ...(beside === undefined ? {} : { image: beside }),
      context: value.text() || '.',
      dockerfile: 'Dockerfile',
      args: none,
      where: value,
    };
  }
  const fields = value.fields();
  const known = `image dockerfile dockerfile_path context path args encrypted_args
    encrypted_args_file`.split(/\s+/);
  for (const [field, inner] of fields) {
    if (field === 'configure') {
      throw inner.wrong('is a word of 2015 that no jet of today knows', 'use args instead');
    }
    if (!known.includes(field)) warn(`${inner.where}: ${inner.field} is unknown, and ignored`);
  }
  const image = fields.get('image') ?? beside;
  const context = (fields.get('context') ?? fields.get('path'))?.text();
  const dockerfile = (fields.get('dockerfile') ?? fields.get('dockerfile_path'))?.text();
  return {
    ...(image === undefined ? {} : { image }),
    context: context || '.',
    dockerfile: dockerfile || 'Dockerfile',
    args: argumentsOf(fields),
    where: value,
  };
}

function entrypointOf(value: Value): readonly string[] {
  return value.isText && value.text().trim() === '' ? [''] : commandOf(value);
}

function readLink(value: Value): Link {
  const [service = '', alias = service, ...more] = value.text().split(':');
  if (service === '' || alias === '' || more.length > 0) {
    throw value.wrong('is no link', 'write SERVICE or SERVICE:ALIAS');
  }
  return { service, alias, where: value };
}

/** A list of names, or compose's longer form, whose conditions are those that are kept anyway. */
function dependenciesOf(value: Value | undefined): readonly Link[] {
  if (value === undefined) return [];
  const named = value.isMap
    ? [...value.fields()]
    : value.list().map((each) => [each.text(), each] as const);
  return named.map(([service, where]) => ({ service, alias: service, where }));
}

function readVolume(value: Value): string {
  const text = value.text();
  const parts = text.split(':');
  const isKnown = parts.length <= 3 && parts.every((part) => part !== '');
  if (!isKnown || !(parts[1] ?? parts[0] ?? '').startsWith('/')) {
    throw value.wrong('is no volume', 'write SOURCE:/PATH, SOURCE:/PATH:ro or /PATH');
  }
  return text;
}

function readVolumesFrom(value: Value): Link & { readonly mode: string } {
  const [service = '', mode = 'rw', ...more] = value.text().split(':');
  if (service === '' || !['rw', 'ro'].includes(mode) || more.length > 0) {
    throw value.wrong('is no service', 'write SERVICE or SERVICE:ro');
  }
  return { service, alias: service, where: value, mode };
}

function readHealthCheck(value: Value): HealthCheck {
  const fields = value.fields();
  if (fields.get('disable')?.flag() === true) return { test: ['NONE'] };
  const test = fields.get('test');
  if (test === undefined) throw value.wrong('has no test');
  const duration = (name: string): number | undefined => {
    const given = fields.get(name);
    return given === undefined ? undefined : nanosecondsOf(given);
  };
  const retries = fields.get('retries');
  if (retries !== undefined && !/^[0-9]{1,4}$/.test(retries.text())) {
    throw retries.wrong('is no whole number');
  }
  const times = {
    intervalNs: duration('interval'),
    timeoutNs: duration('timeout'),
    startPeriodNs: duration('start_period'),
    retries: retries === undefined ? undefined : Number(retries.text()),
  };
  return { test: test.isList ? textsOf(test) : ['CMD-SHELL', test.text()], ...times };
}
