import { createHash } from 'node:crypto';
import type { CredentialWords } from './definition.ts';
import { textsOf, type Value } from './document.ts';
import { credentialsOf, type Warn } from './services-file.ts';
import type { FailureCommand, Step } from './step.ts';
import { commandOf } from './words.ts';

const COMMON = ['name', 'type', 'tag', 'exclude', 'service'];
const CREDENTIALS = ['encrypted_dockercfg_path', 'dockercfg_service', 'dockercfg_path'];
const OF_KIND = {
  run: ['command', 'on_fail'],
  push: ['image_name', 'image_tag', 'registry', 'on_fail'],
  group: ['services', 'steps'],
  manual: ['services', 'steps'],
};
type Kind = keyof typeof OF_KIND;

const DEEPEST = 20;
/** Expressions take linear time, of which a megabyte of them makes half a minute. */
const LONGEST_FILTER = 1000;

/** What a group hands on to its members. */
interface Inherited {
  readonly service?: string;
  readonly credentials: CredentialWords;
  readonly depth: number;
  /** members of `services` exist once for each of them */
  readonly copyOf?: string;
}

/**
 * Reads the steps of a steps file. A group for several services comes out as groups for one each.
 *
 * @throws SlipwayError `CONFIG_INVALID`
 */
export function readSteps(file: Value, warn: Warn): readonly Step[] {
  const top = file.isMap ? file.fields().get('steps') : file;
  if (top === undefined) throw file.wrong('is no list of steps');
  const values = top.list();
  if (values.length === 0) throw top.wrong('holds no step');
  const names = new Map<string, Value>();
  const steps = readList(values, { credentials: {}, depth: 0 }, { warn, names });
  for (const [at, step] of steps.entries()) {
    if (step.kind === 'manual' && steps.slice(at).some(({ kind }) => kind !== 'manual')) {
      throw step.where.wrong('is a manual step and not the last one', 'move it to the end');
    }
  }
  return steps;
}

interface Reading {
  readonly warn: Warn;
  readonly names: Map<string, Value>;
}

function readList(values: readonly Value[], from: Inherited, reading: Reading): readonly Step[] {
  return values.map((value) => readStep(value, from, reading));
}

function readStep(where: Value, from: Inherited, reading: Reading): Step {
  const fields = where.fields();
  const type = fields.get('type');
  const kind = kindOf(where, fields);
  const known = [...COMMON, ...CREDENTIALS, ...OF_KIND[kind]];
  for (const [field, value] of fields) {
    if (known.includes(field)) continue;
    reading.warn(`${value.where}: ${value.field} is unknown in a ${kind} step, and ignored`);
  }
  if (from.depth > DEEPEST) throw where.wrong(`is nested deeper than ${DEEPEST} groups`);
  const own = credentialsOf(fields);
  const isOwn = Object.keys(own).length > 0;
  const tag = fields.get('tag');
  const exclude = fields.get('exclude');
  for (const filter of [tag, exclude]) {
    if (filter !== undefined && filter.text().length > LONGEST_FILTER) {
      throw filter.wrong(`is longer than ${LONGEST_FILTER} characters`);
    }
  }
  const base = {
    where,
    credentials: isOwn ? own : from.credentials,
    ...(tag === undefined ? {} : { tag }),
    ...(exclude === undefined ? {} : { exclude }),
  };
  if (kind === 'group' || kind === 'manual') {
    if (kind === 'manual' && from.depth > 0) throw where.wrong('is a manual step inside a group');
    const name = nameOf(where, type?.text() ?? kind, from, reading);
    const { depth } = from;
    const inherited = { ...from, credentials: base.credentials, depth: depth + 1 };
    const isSerial = !['parallel', 'matrix'].includes(type?.text() ?? '');
    const order = isSerial ? ('serial' as const) : ('parallel' as const);
    if (type?.text() === 'matrix' && !fields.has('services')) {
      throw where.wrong('is a matrix without services', 'name those that its steps run in');
    }
    const steps = readMembers(where, order, inherited, reading);
    return kind === 'manual'
      ? { kind, name, ...base, steps }
      : { kind, name, order, ...base, steps };
  }
  const service = serviceOf(where, fields, from);
  const name = nameOf(where, service, from, reading);
  const onFail = (fields.get('on_fail')?.list() ?? []).map((value) => readOnFail(value, service));
  if (kind === 'run') {
    const command = commandOf(fields.get('command') as Value);
    return { kind, name, ...base, service, command, onFail };
  }
  const imageName = fields.get('image_name');
  if (imageName === undefined) {
    throw where.wrong('is a push step without image_name', 'name the image that is pushed');
  }
  const imageTag = fields.get('image_tag');
  const registry = fields.get('registry');
  return {
    kind,
    name,
    ...base,
    service,
    imageName,
    ...(imageTag === undefined ? {} : { imageTag }),
    ...(registry === undefined ? {} : { registry }),
    onFail,
  };
}

function kindOf(where: Value, fields: ReadonlyMap<string, Value>): Kind {
  const type = fields.get('type');
  const hasCommand = fields.has('command');
  if (type === undefined) {
    if (hasCommand) return 'run';
    throw where.wrong(
      'has neither type nor command',
      'a step runs a command, or has the type push, parallel, serial, matrix or manual',
    );
  }
  const word = type.text();
  const kind = KINDS.get(word);
  if (word === 'run' && hasCommand) return 'run';
  if (kind === undefined) {
    throw type.wrong(`is ${JSON.stringify(word)}, which is no type of a step`, TYPES_HINT);
  }
  if (hasCommand) throw where.wrong(`has the type ${word} and a command too`, 'leave one out');
  return kind;
}

const KINDS: ReadonlyMap<string, Kind> = new Map([
  ['push', 'push'],
  ['parallel', 'group'],
  ['serial', 'group'],
  // A word of jet's own examples: all steps once for each of its services.
  ['matrix', 'group'],
  ['manual', 'manual'],
]);
const TYPES_HINT =
  'types are push, parallel, serial, matrix and manual; a step with a command has none';

function serviceOf(where: Value, fields: ReadonlyMap<string, Value>, from: Inherited): string {
  const own = fields.get('service');
  if (own !== undefined && from.service !== undefined) {
    throw own.wrong(
      'cannot be specified: the group names the service already',
      'leave it out in the group or in its members',
    );
  }
  const service = own?.text() || from.service;
  if (service !== undefined) return service;
  throw where.wrong('names no service', 'say service: NAME, in the step or in its group');
}

/** Members of a group, by the rulings for `service` and `services`. */
function readMembers(
  where: Value,
  order: 'parallel' | 'serial',
  from: Inherited,
  reading: Reading,
): readonly Step[] {
  const fields = where.fields();
  const values = fields.get('steps')?.list() ?? [];
  if (values.length === 0) throw where.wrong('is a group without steps');
  const service = fields.get('service');
  const services = fields.get('services');
  const named = service ?? services;
  if (service !== undefined && services !== undefined) {
    throw services.wrong('stands beside service', 'leave one of them out');
  }
  if (named !== undefined && from.service !== undefined) {
    throw named.wrong('cannot be specified: the group around it names the service already');
  }
  if (service !== undefined) {
    return readList(values, { ...from, service: service.text() }, reading);
  }
  if (services === undefined) return readList(values, from, reading);
  const all = textsOf(services);
  if (all.length === 0) throw services.wrong('is empty');
  if (new Set(all).size < all.length) throw services.wrong('names a service twice');
  return all.flatMap((each): readonly Step[] => {
    const members = readList(values, { ...from, service: each, copyOf: each }, reading);
    if (order === 'serial') return members;
    // Each service has its own sequence; the sequences run side by side.
    const name = nameOf(where, each, { ...from, copyOf: `${each} sequence` }, reading);
    return [{ kind: 'group', order: 'serial', name, where, credentials: {}, steps: members }];
  });
}

function readOnFail(value: Value, service: string): FailureCommand {
  const fields = value.fields();
  const command = fields.get('command');
  if (command === undefined) throw value.wrong('has no command');
  return { command: commandOf(command), service: fields.get('service')?.text() ?? service };
}

function nameOf(where: Value, base: string, from: Inherited, { names }: Reading): string {
  const given = where.fields().get('name');
  const copy = from.copyOf;
  if (given === undefined) {
    const place = `${where.field}\n${copy ?? ''}`;
    // The same file gives the same names.
    return `${base}-${createHash('sha256').update(place).digest('hex').slice(0, 8)}`;
  }
  const name = copy === undefined ? given.text() : `${given.text()}-${copy.replace(' ', '-')}`;
  const before = names.get(name);
  if (name === '' || before !== undefined) {
    const other = before === undefined ? '' : ` of ${before.where} too`;
    throw given.wrong(`is ${JSON.stringify(name)}, the name${other}`, 'each step has its own name');
  }
  names.set(name, given);
  return name;
}
