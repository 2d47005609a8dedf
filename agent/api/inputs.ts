/**
 * What a client may send for a spec: the names and what cannot be guessed; the agent fills in every default
 * (overlay/model/validate), so that all clients get the same ones.
 */
import type {
  BalancingSpec, FlowTimeouts, HealthCheckSpec, NetworkAttachment, NetworkSpec, PlacementSpec, PortSpec, RestartPolicy, RollbackPolicy, ServiceSpec, TaskSpec, UpdatePolicy,
} from '../../overlay/model/spec.js';

export type NetworkInput = Pick<NetworkSpec, 'name'> & Partial<NetworkSpec>;

export type HealthCheckInput = Pick<HealthCheckSpec, 'command'> & Partial<HealthCheckSpec>;

export type TaskInput = Pick<TaskSpec, 'command'> & Partial<Omit<TaskSpec, 'healthcheck'>> & { readonly healthcheck?: HealthCheckInput };

export type BalancingInput = Partial<Omit<BalancingSpec, 'timeouts'>> & { readonly timeouts?: Partial<FlowTimeouts> };

export type ServiceInput = Pick<ServiceSpec, 'name'> &
  Partial<Omit<ServiceSpec, 'task' | 'restart' | 'networks' | 'ports' | 'balancing' | 'placement' | 'update' | 'rollback'>> & {
    readonly task: TaskInput;
    readonly networks?: readonly NetworkAttachment[];
    readonly ports?: readonly PortSpec[];
    readonly restart?: Partial<RestartPolicy>;
    readonly balancing?: BalancingInput;
    readonly placement?: Partial<PlacementSpec>;
    readonly update?: Partial<UpdatePolicy>;
    readonly rollback?: Partial<RollbackPolicy>;
  };
