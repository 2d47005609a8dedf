/**
 * The keys that the compose specification knows, and what each is to us.
 * https://github.com/compose-spec/compose-spec/blob/main/spec.md
 */
import { TIMEOUT_NAMES } from '../../overlay/model/balancing.js';
import { USED } from './reader.js';
import type { KeyTable } from './reader.js';

function ignored(...keys: string[]): Record<string, string> {
  return Object.fromEntries(keys.map((key) => [key, '']));
}

function used(...keys: string[]): Record<string, string> {
  return Object.fromEntries(keys.map((key) => [key, USED]));
}

const HOST_PROCESS = 'tasks are processes of this host';
const HOST_FILES = `${HOST_PROCESS} and see its files`;

export const TOP_KEYS: KeyTable = {
  ...used('version', 'name', 'services', 'networks', 'x-vipmesh'),
  ...ignored('configs', 'secrets', 'include', 'models'),
  volumes: HOST_FILES,
};

export const SERVICE_KEYS: KeyTable = {
  ...used('command', 'environment', 'networks', 'ports', 'expose', 'healthcheck', 'deploy', 'labels', 'stop_grace_period', 'working_dir', 'x-vipmesh'),
  ...ignored(
    'annotations', 'attach', 'blkio_config', 'cap_add', 'cap_drop', 'cgroup', 'cgroup_parent', 'configs', 'container_name', 'cpu_count',
    'cpu_percent', 'cpu_period', 'cpu_quota', 'cpu_rt_period', 'cpu_rt_runtime', 'cpu_shares', 'cpus', 'cpuset', 'credential_spec', 'develop',
    'device_cgroup_rules', 'devices', 'dns', 'dns_opt', 'dns_search', 'domainname', 'env_file', 'extends', 'external_links', 'extra_hosts',
    'gpus', 'group_add', 'hostname', 'init', 'ipc', 'isolation', 'label_file', 'links', 'logging', 'mac_address', 'mem_limit',
    'mem_reservation', 'mem_swappiness', 'memswap_limit', 'models', 'network_mode', 'oom_kill_disable', 'oom_score_adj', 'pid', 'pids_limit',
    'post_start', 'pre_stop', 'privileged', 'profiles', 'provider', 'read_only', 'runtime', 'secrets', 'security_opt', 'shm_size', 'stdin_open',
    'stop_signal', 'storage_opt', 'sysctls', 'tmpfs', 'tty', 'ulimits', 'use_api_socket', 'user', 'userns_mode', 'uts',
  ),
  image: `${HOST_PROCESS}, started by 'command'`,
  build: HOST_PROCESS,
  platform: HOST_PROCESS,
  pull_policy: HOST_PROCESS,
  volumes: HOST_FILES,
  volumes_from: HOST_FILES,
  entrypoint: "put the whole command line in 'command'",
  depends_on: 'services start at the same time, and names resolve to healthy tasks only',
  restart: 'use deploy.restart_policy',
  scale: 'use deploy.replicas',
};

export const NETWORK_KEYS: KeyTable = {
  ...used('driver', 'internal', 'ipam', 'external', 'name', 'labels', 'enable_ipv6', 'driver_opts'),
  ...ignored('enable_ipv4'),
  attachable: 'every network is',
};

export const IPAM_KEYS: KeyTable = { ...used('config'), ...ignored('driver', 'options') };
export const IPAM_CONFIG_KEYS: KeyTable = { ...used('subnet', 'gateway'), ...ignored('ip_range', 'aux_addresses') };

export const ATTACHMENT_KEYS: KeyTable = {
  ...used('aliases'),
  ...ignored('interface_name', 'ipv4_address', 'ipv6_address', 'link_local_ips', 'mac_address', 'driver_opts', 'gw_priority', 'priority'),
};

export const PORT_KEYS: KeyTable = { ...used('target', 'published', 'protocol', 'mode', 'host_ip', 'x-proxy-protocol'), ...ignored('name', 'app_protocol') };

export const HEALTH_KEYS: KeyTable = { ...used('test', 'interval', 'timeout', 'retries', 'start_period', 'disable'), ...ignored('start_interval') };

export const DEPLOY_KEYS: KeyTable = {
  ...used('replicas', 'endpoint_mode', 'restart_policy', 'labels', 'mode', 'placement', 'update_config', 'rollback_config', 'x-vipmesh'),
  ...ignored('resources'),
};

export const PLACEMENT_KEYS: KeyTable = { ...used('constraints', 'preferences'), ...ignored('max_replicas_per_node') };
export const PREFERENCE_KEYS: KeyTable = used('spread');
export const POLICY_KEYS: KeyTable = used('parallelism', 'delay', 'order', 'monitor', 'failure_action', 'max_failure_ratio');

/** Ours: not of the specification. */
export const BALANCING_KEYS: KeyTable = used(
  'scheduler', 'weights', 'affinity', 'prefer', 'slow_start', 'slowStart', 'max_conns', 'maxConns', 'eject', 'timeouts', 'drain_timeout', 'drainTimeout', 'offload',
);
export const EJECT_KEYS: KeyTable = used('after', 'for');
export const TIMEOUT_KEYS: KeyTable = used(...TIMEOUT_NAMES);

export const RESTART_KEYS: KeyTable = { ...used('condition', 'delay', 'max_attempts'), window: 'failures in a row are counted instead' };
