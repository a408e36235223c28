import { isJsonObject, type JsonObject } from '../oci/json.ts';
import {
  type DockerDirectives,
  type GitMapping,
  type ImageBase,
  type ImageConfig,
  type ImportRule,
  type MountRule,
  type RemoteSource,
  type ShellStage,
  USER_STAGES,
  type UserStage,
} from './config.ts';
import type { ConfigDocument, Place } from './config-document.ts';
import { type Fields, fieldsOf } from './config-fields.ts';
import { isRefName, parseRemoteUrl } from './remote-url.ts';
import { DIMG_NAME_RULE, isDimgName } from './repo.ts';

const IMAGE_KEYS = [
  ...['dimg', 'artifact', 'from', 'fromCacheVersion', 'fromDimg', 'fromDimgArtifact'],
  ...['git', 'shell', 'mount', 'docker', 'import'],
];
const UNSUPPORTED = ['ansible', 'asLayers'];
const REMOTE_KEYS = ['url', 'branch', 'tag', 'commit'] as const;
const BASES = ['from', 'fromDimg', 'fromDimgArtifact'] as const;
const DOCKER_LISTS = ['VOLUME', 'EXPOSE', 'ONBUILD'] as const;
const DOCKER_TABLES = ['ENV', 'LABEL'] as const;
const DOCKER_COMMANDS = ['ENTRYPOINT', 'CMD'] as const;
const DOCKER_TEXTS = ['WORKDIR', 'USER', 'STOPSIGNAL', 'HEALTHCHECK'] as const;

/**
 * The images of one document: as many as it has names.
 *
 * @throws SlipwayError `CONFIG_INVALID` with file and line
 */
export function imagesOf(document: ConfigDocument): readonly ImageConfig[] {
  const { json, wrong } = document;
  const fields = fieldsOf(document);
  const unsupported = isJsonObject(json)
    ? UNSUPPORTED.find((key) => json[key] !== undefined && json[key] !== false)
    : undefined;
  if (unsupported !== undefined) {
    throw wrong([unsupported], `${unsupported} is not supported`, 'write the stages under shell');
  }
  const map = fields.map([], json, [...IMAGE_KEYS, ...UNSUPPORTED]);
  const kind = 'artifact' in map ? 'artifact' : 'dimg';
  if (kind === 'artifact' && 'dimg' in map) {
    throw wrong(['dimg'], 'a document describes a dimg or an artifact, not both');
  }
  if (!(kind in map)) {
    throw wrong([], 'the document names no dimg and no artifact', 'write dimg: NAME, or dimg: ~');
  }
  const image = {
    kind,
    base: baseOf(map, document, fields),
    git: fields.list(['git'], map.git, (place, value) => gitOf(place, value, document, fields)),
    userStages: shellOf(map.shell, fields),
    imports: fields.list(['import'], map.import, (at, value) =>
      importOf(at, value, document, fields),
    ),
    mounts: fields.list(['mount'], map.mount, (at, value) => mountOf(at, value, document, fields)),
    line: document.line,
    ...given('fromCacheVersion', fields.optional(['fromCacheVersion'], map.fromCacheVersion)),
    ...given('docker', dockerOf(map.docker, kind, document, fields)),
  } as const;
  return namesOf(map[kind], kind, document, fields).map((name) => ({
    ...image,
    ...given('name', name),
  }));
}

/** A property that is left out if it is undefined. */
function given<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]?: V });
}

function namesOf(
  value: unknown,
  kind: 'dimg' | 'artifact',
  { wrong }: ConfigDocument,
  fields: Fields,
): readonly (string | undefined)[] {
  const names = fields.texts([kind], value);
  if (names.length === 0 && (Array.isArray(value) || kind === 'artifact')) {
    throw wrong([kind], `${kind} should have a name`);
  }
  for (const name of names) {
    if (isDimgName(name)) continue;
    throw wrong(
      [kind],
      `Dimg has incorrect name \`${name.slice(0, 100)}\`: doesn't match regex \`${DIMG_NAME_RULE}\`!`,
      'a name has small letters, digits, and single _ . or dashes between them',
    );
  }
  return names.length === 0 ? [undefined] : names;
}

function baseOf(map: JsonObject, { wrong }: ConfigDocument, fields: Fields): ImageBase {
  const present = BASES.filter((key) => map[key] !== undefined && map[key] !== null);
  const [key, other] = present;
  if (key === undefined) throw wrong([], `nothing to start from: expected is ${BASES.join(', ')}`);
  if (other !== undefined) throw wrong([other], `${key} and ${other} exclude each other`);
  const value = fields.text([key], map[key]);
  if (value === '') throw wrong([key], `${key} is empty`);
  if (key === 'from') return { kind: 'from', image: value };
  return { kind: key === 'fromDimg' ? 'dimg' : 'artifact', name: value };
}

function gitOf(
  place: Place,
  value: unknown,
  { wrong }: ConfigDocument,
  fields: Fields,
): GitMapping {
  const keys = [
    ...REMOTE_KEYS,
    'add',
    'to',
    'includePaths',
    'excludePaths',
    'owner',
    'group',
    'stageDependencies',
  ];
  const map = fields.map(place, value, keys);
  const at = (key: string): Place => [...place, key];
  const dependencies = map.stageDependencies;
  const stages = USER_STAGES.filter((stage) => stage !== 'beforeInstall');
  const byStage =
    dependencies === undefined || dependencies === null
      ? {}
      : fields.map(at('stageDependencies'), dependencies, stages);
  const remote = remoteOf(map, place, wrong, fields);
  if (map.to === undefined) throw wrong(place, 'git should have to: a path in the image');
  return {
    ...given('remote', remote),
    add: map.add === undefined ? '/' : fields.path(at('add'), map.add),
    to: fields.path(at('to'), map.to),
    ...pathsAndOwner(map, place, fields),
    stageDependencies: Object.fromEntries(
      stages
        .filter((stage) => byStage[stage] !== undefined)
        .map((stage) => [
          stage,
          fields.relativePaths([...at('stageDependencies'), stage], byStage[stage]),
        ]),
    ),
  };
}

function remoteOf(
  map: JsonObject,
  place: Place,
  wrong: ConfigDocument['wrong'],
  fields: Fields,
): RemoteSource | undefined {
  const at = (key: string): Place => [...place, key];
  const [, ...kinds] = REMOTE_KEYS;
  const given = kinds.filter((key) => map[key] !== undefined && map[key] !== null);
  const [kind, other] = given;
  const text = fields.optional(at('url'), map.url);
  if (text === undefined) {
    if (kind === undefined) return undefined;
    throw wrong(at(kind), `${kind} is for a remote repository: url is missing`);
  }
  const url = parseRemoteUrl(text);
  if (url === undefined) {
    // Not shown: it may hold a password.
    throw wrong(
      at('url'),
      'url is no address of a git repository',
      'write https://…, ssh://…, USER@HOST:PATH, git://… or file:///…',
    );
  }
  if (other !== undefined) throw wrong(at(other), `${kind} and ${other} exclude each other`);
  if (kind === undefined) return { ...url, ref: { kind: 'head', name: '' } };
  const name = fields.text(at(kind), map[kind]);
  const isRight = kind === 'commit' ? /^[0-9a-f]{7,64}$/.test(name) : isRefName(name);
  const hint = kind === 'commit' ? 'in quotes, digits alone are no number' : undefined;
  if (!isRight) throw wrong(at(kind), `${JSON.stringify(name.slice(0, 100))} is no ${kind}`, hint);
  return { ...url, ref: { kind, name } };
}

function pathsAndOwner(map: JsonObject, place: Place, fields: Fields) {
  const at = (key: string): Place => [...place, key];
  return {
    includePaths: fields.relativePaths(at('includePaths'), map.includePaths),
    excludePaths: fields.relativePaths(at('excludePaths'), map.excludePaths),
    ...given('owner', fields.optional(at('owner'), map.owner)),
    ...given('group', fields.optional(at('group'), map.group)),
  };
}

function shellOf(value: unknown, fields: Fields): Readonly<Record<UserStage, ShellStage>> {
  const versionKey = (stage: UserStage) => `${stage}CacheVersion`;
  const keys = [...USER_STAGES, ...USER_STAGES.map(versionKey), 'cacheVersion'];
  const map = value === undefined || value === null ? {} : fields.map(['shell'], value, keys);
  const stages = USER_STAGES.map((stage): readonly [UserStage, ShellStage] => {
    const versions = [versionKey(stage), 'cacheVersion'];
    return [
      stage,
      {
        commands: fields.texts(['shell', stage], map[stage]),
        cacheVersions: versions.flatMap((key) => fields.optional(['shell', key], map[key]) ?? []),
      },
    ];
  });
  return Object.fromEntries(stages) as Record<UserStage, ShellStage>;
}

function importOf(
  place: Place,
  value: unknown,
  { wrong }: ConfigDocument,
  fields: Fields,
): ImportRule {
  const keys = [
    ...['artifact', 'dimg', 'before', 'after', 'add', 'to'],
    ...['includePaths', 'excludePaths', 'owner', 'group'],
  ];
  const map = fields.map(place, value, keys);
  const oneOf = <K extends string>(first: K, second: K): K => {
    const found = [first, second].filter((key) => map[key] !== undefined && map[key] !== null);
    if (found.length === 1) return found[0] as K;
    throw wrong(place, `an import should have either ${first} or ${second}`);
  };
  const kind = oneOf('artifact', 'dimg');
  const when = oneOf('before', 'after');
  const stage = fields.text([...place, when], map[when]);
  if (stage !== 'install' && stage !== 'setup') {
    throw wrong([...place, when], `${when} should be install or setup`);
  }
  if (map.add === undefined) throw wrong(place, 'an import should have add: a path to take');
  const add = fields.path([...place, 'add'], map.add);
  return {
    kind,
    from: fields.text([...place, kind], map[kind]),
    when,
    stage,
    add,
    to: map.to === undefined ? add : fields.path([...place, 'to'], map.to),
    ...pathsAndOwner(map, place, fields),
  };
}

function mountOf(
  place: Place,
  value: unknown,
  { wrong }: ConfigDocument,
  fields: Fields,
): MountRule {
  const map = fields.map(place, value, ['from', 'fromPath', 'to']);
  if (map.to === undefined) throw wrong(place, 'a mount should have to: a path in the image');
  const to = fields.path([...place, 'to'], map.to);
  if (to.includes(':')) throw wrong([...place, 'to'], 'a mount can have no : in its path');
  const from = fields.optional([...place, 'from'], map.from);
  if (from !== undefined && map.fromPath !== undefined) {
    throw wrong([...place, 'fromPath'], 'from and fromPath exclude each other');
  }
  if (from === 'tmp_dir' || from === 'build_dir') return { kind: from, to };
  const path = from ?? map.fromPath;
  if (typeof path === 'string' && path.startsWith('/') && !path.includes(':')) {
    return { kind: 'custom', from: fields.path([...place, 'fromPath'], path), to };
  }
  throw wrong(place, 'a mount should be from tmp_dir, from build_dir or from an absolute path');
}

function dockerOf(
  value: unknown,
  kind: 'dimg' | 'artifact',
  { wrong }: ConfigDocument,
  fields: Fields,
): DockerDirectives | undefined {
  if (value === undefined || value === null) return undefined;
  if (kind === 'artifact') throw wrong(['docker'], 'an artifact has no docker directives');
  const keys = [...DOCKER_LISTS, ...DOCKER_TABLES, ...DOCKER_COMMANDS, ...DOCKER_TEXTS];
  const map = fields.map(['docker'], value, keys);
  const read: Record<string, unknown> = {};
  for (const key of keys.filter((each) => map[each] !== undefined && map[each] !== null)) {
    const place = ['docker', key];
    const isOneOf = (some: readonly string[]) => some.includes(key);
    read[key] = isOneOf(DOCKER_LISTS)
      ? fields.texts(place, map[key])
      : isOneOf(DOCKER_TABLES)
        ? fields.table(place, map[key])
        : isOneOf(DOCKER_COMMANDS) && Array.isArray(map[key])
          ? fields.texts(place, map[key])
          : fields.text(place, map[key]);
  }
  return read;
}
