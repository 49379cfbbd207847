package dev.sluice.sandbox;

import com.github.dockerjava.api.command.CreateContainerCmd;
import com.github.dockerjava.api.model.HostConfig;
import com.github.dockerjava.api.model.PortBinding;
import java.util.function.Consumer;

/** A container that is stopped and started gets another port from Docker, unless the port is fixed. */
final class ContainerPorts {
    private ContainerPorts() {}

    static Consumer<CreateContainerCmd> fixed(int hostPort, int containerPort) {
        PortBinding binding = PortBinding.parse(Loopback.HOST + ":" + hostPort + ":" + containerPort);
        return create -> {
            HostConfig host = create.getHostConfig();
            create.withHostConfig((host == null ? HostConfig.newHostConfig() : host).withPortBindings(binding));
        };
    }
}
