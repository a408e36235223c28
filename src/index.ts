/**
 * Slipway as a library: publish container images to any OCI registry. The command line uses
 * nothing else.
 *
 * @packageDocumentation
 */
export { type Archive, type ArchiveImage, openArchive } from './archive/archive.ts';
export { type ArchiveTarget, createArchive } from './archive/write.ts';
export { type BuildSettings, build } from './build/build.ts';
export {
  type BuildArg,
  type BuildContext,
  type BuildEngine,
  type BuildOptions,
  type BuildRequest,
  type BuildSecret,
  type Dockerfile,
  ENGINE_NAMES,
  type EngineName,
  type Suitability,
} from './build/engine.ts';
export { apiEngine } from './build/engines/api.ts';
export { buildahEngine } from './build/engines/buildah.ts';
export { buildctlEngine } from './build/engines/buildctl.ts';
export { buildxEngine } from './build/engines/buildx.ts';
export { gitLabels } from './build/git-labels.ts';
export { buildImage, buildIndex, type ImageOfFiles } from './build/image.ts';
export { type LayerFile, textFile } from './build/layer.ts';
export { createNativeEngine, type NativeOptions } from './build/native/engine.ts';
export { type BuildInput, type BuildWords, readBuildInput } from './build/read-input.ts';
export type { Bytes } from './bytes/stream.ts';
export { type CopyOptions, type CopyResult, copyGraph } from './content/copy.ts';
export {
  type CompressionSettings,
  type CompressionTable,
  type CompressLayersOptions,
  compressLayers,
} from './content/derivations/compress.ts';
export { addAnnotations, addLabels } from './content/derivations/labels.ts';
export { type PlatformOptions, reducePlatforms } from './content/derivations/platforms.ts';
export {
  type Graph,
  graphOf,
  type ManifestNode,
  type PendingBlob,
  readManifest,
  type Walk,
  walk,
} from './content/graph.ts';
export type { Ingest, IngestExpectation, IngestOptions, IngestTarget } from './content/ingest.ts';
export type {
  Fetcher,
  FetchOptions,
  Lister,
  Open,
  Place,
  PushOptions,
  PushOutcome,
  Resolver,
  Signalled,
  Source,
  StreamTarget,
  Target,
} from './content/transport.ts';
export { readDocument, verifiedBytes, verifiedOpen } from './content/verify.ts';
export { dockerConfigCredentials } from './credentials/config-credentials.ts';
export {
  anonymous,
  type Credential,
  type CredentialLookup,
  firstOf,
} from './credentials/credential.ts';
export type { GivenLogin } from './credentials/given.ts';
export { type IdentityOptions, identityCredentials } from './credentials/identity/identity.ts';
export { eraseLogin, type KeepOptions, storeLogin } from './credentials/kept-logins.ts';
export { type CredentialOptions, findCredentials } from './credentials/sources.ts';
export {
  type ConnectOptions,
  connectEngine,
  type Engine,
  type EngineRequest,
} from './engine/client.ts';
export type { EngineProduct } from './engine/find.ts';
export { type EngineImage, findEngineImage, listEngineImages } from './engine/images.ts';
export { type ExportOptions, exportImage } from './engine/source.ts';
export { createEngineTarget, keepsWholeImages } from './engine/target.ts';
export {
  type ErrorCode,
  type ErrorFacts,
  isSlipwayError,
  type RegistryErrorDetail,
  type Side,
  SlipwayError,
} from './errors.ts';
export { type Emit, type Piece, type SlipwayEvent, silent, type TransferStatus } from './events.ts';
export { environmentProxies, type ProxyLookup, type ProxySettings } from './http/proxies.ts';
export type { RetryPolicy } from './http/retry.ts';
export type { ClientCertificate, TlsSettings } from './http/tls.ts';
export { type Layout, type LayoutOptions, openLayout, type Pruned } from './layout/layout.ts';
export { type HistoryEntry, type ImageConfig, parseConfig } from './oci/config.ts';
export { type Descriptor, describe, parseDescriptor } from './oci/descriptor.ts';
export {
  type Digest,
  type DigestAlgorithm,
  digestOf,
  isDigest,
  parseDigest,
} from './oci/digest.ts';
export {
  childrenOf,
  type ImageIndex,
  type ImageManifest,
  type ManifestDocument,
  parseManifest,
} from './oci/manifest.ts';
export { type Compression, MEDIA_TYPE } from './oci/mediatype.ts';
export {
  formatPlatform,
  hostPlatform,
  matchesPlatform,
  type Platform,
  parsePlatform,
} from './oci/platform.ts';
export {
  familiarReference,
  formatReference,
  parseReference,
  parseRepository,
  type Reference,
  type RepositoryName,
} from './oci/reference.ts';
export type { Condition } from './publish/conditions.ts';
export {
  type Plan,
  type PlannedDestination,
  type PlannedPiece,
  type PlannedTag,
  type PlanOptions,
  planPublication,
} from './publish/plan.ts';
export type {
  Destination,
  DestinationResult,
  Publication,
  PublishedImage,
} from './publish/publication.ts';
export { type PublishOptions, type PublishOutcome, publish } from './publish/publish.ts';
export type { Require } from './publish/require.ts';
export type {
  Capability,
  Endpoint,
  HostConfig,
  HostConfigLookup,
} from './registry/hosts-dir/endpoint.ts';
export { hostsFolders, hostsFromFolders } from './registry/hosts-dir/hosts-dir.ts';
export type { SchemeChoice } from './registry/reach.ts';
export {
  createRegistries,
  type Registries,
  type RegistriesOptions,
} from './registry/registries.ts';
export type { Repository } from './registry/repository.ts';
export type { TokenRealmPolicy } from './registry/token-realm.ts';
export { type BringOptions, bringImage } from './run/bring.ts';
export { type Container, type ContainerSpec, createContainer } from './run/container.ts';
export type { Spoken } from './run/frames.ts';
export { createNetwork, createVolume, type Made, type MadeSpec } from './run/networks.ts';
export { type RunStreams, runContainer } from './run/run.ts';
export type { RegistryEvent, RegistryOptions } from './server/options.ts';
export { type Registry, startRegistry } from './server/registry.ts';
export { createCompressionTable } from './state/compressions.ts';
export { type Hints, openHints } from './state/hints.ts';
export { createMovedTags, type MovedTags } from './state/moved-tags.ts';
export type { AnnouncedOptions } from './upkeep/append-announced.ts';
export { type Diagnosis, diagnose, type Finding, scratchRepository } from './upkeep/doctor.ts';
export { type Appended, appendToIndex } from './upkeep/index-append.ts';
export {
  annotateIndex,
  type EntryChoice,
  type IndexNotes,
  removeFromIndex,
} from './upkeep/index-edit.ts';
export { listManifests, listTags } from './upkeep/list-tags.ts';
export { type LocalImage, listLocalImages, type PlatformImage } from './upkeep/local-images.ts';
export { type Referrer, referrersOf } from './upkeep/referrers.ts';
export { type SettleOptions, verifyName } from './upkeep/settle.ts';
export { type Verified, type VerifyOptions, verifyImage } from './upkeep/verify.ts';
