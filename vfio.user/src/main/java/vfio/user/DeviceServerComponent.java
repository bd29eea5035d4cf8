package vfio.user;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.Designate;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;
import vfio.linux.UnixListener;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.DeviceManager;
import vfio.pci.api.manage.DeviceServer;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;

/** Gives each assignable function a socket for as long as it is present and assignable. */
@Component(service = DeviceServer.class, immediate = true, configurationPid = "vfio.user.server")
@Designate(ocd = DeviceServerComponent.Configuration.class)
public final class DeviceServerComponent implements DeviceServer {
    private static final Logger LOGGER = System.getLogger(DeviceServerComponent.class.getPackageName());

    /** Framework property with the folder for sockets, unless the configuration names one. */
    private static final String SOCKET_DIRECTORY = "vfio.socket.dir";

    /** Configuration of {@code vfio.user.server}. */
    @ObjectClassDefinition(name = "vfio-user server")
    @interface Configuration {
        /** The folder for the sockets. */
        @AttributeDefinition(
                name = "Socket folder",
                description = "Absolute path; empty for the folder the runtime was started with")
        String socket_directory() default "";

        /** Permissions of the sockets. */
        @AttributeDefinition(name = "Socket mode", description = "Permissions of the sockets, octal")
        String socket_mode() default "0600";

        /** Owner of the sockets. */
        @AttributeDefinition(name = "Socket owner", description = "Numeric user id, -1 for the user of the runtime")
        int socket_uid() default -1;

        /** Group of the sockets. */
        @AttributeDefinition(name = "Socket group", description = "Numeric group id, -1 for the group of the runtime")
        int socket_gid() default -1;

        /** Users who may connect. */
        @AttributeDefinition(
                name = "Allowed users",
                description = "Numeric user ids that may connect besides root and the user of the runtime")
        int[] allowed_uids() default {};
    }

    private final DeviceManager manager;
    private final Configuration configuration;
    private final Path directory;
    private final int mode;
    private final Admission admission;
    private final Acceptor acceptor;
    private final Map<PciAddress, DeviceSocket> sockets = new ConcurrentHashMap<>();
    private final Set<DeviceSocket> leaving = ConcurrentHashMap.newKeySet();
    private final Set<PciAddress> failed = ConcurrentHashMap.newKeySet();

    /** Starts to listen; functions are added by {@link #addFunction}. */
    @Activate
    public DeviceServerComponent(BundleContext context, @Reference DeviceManager manager, Configuration configuration)
            throws IOException {
        this.manager = manager;
        this.configuration = configuration;
        directory = directory(configuration.socket_directory(), context.getProperty(SOCKET_DIRECTORY));
        mode = mode(configuration.socket_mode());
        admission = Admission.of(configuration.allowed_uids());
        if (!Files.isDirectory(directory)) {
            Files.createDirectories(
                    directory, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        }
        acceptor = new Acceptor();
        acceptor.start();
    }

    /** Ends all connections and removes all sockets. */
    @Deactivate
    public void deactivate() {
        acceptor.close();
        List<DeviceSocket> all =
                Stream.of(sockets.values(), leaving).flatMap(Collection::stream).toList();
        all.forEach(DeviceSocket::end);
        all.forEach(DeviceSocket::close);
        sockets.clear();
    }

    @Reference(
            cardinality = ReferenceCardinality.MULTIPLE,
            policy = ReferencePolicy.DYNAMIC,
            updated = "changeFunction",
            unbind = "removeFunction")
    void addFunction(PciDevice function) {
        if (function.unassignableReason().isEmpty()) {
            offer(function);
            // What changed meanwhile may have been told before there was a socket.
            function.unassignableReason().ifPresent(reason -> takeBack(function, reason));
        }
    }

    /** Called by Declarative Services when the properties of the function have changed. */
    void changeFunction(PciDevice function) {
        function.unassignableReason()
                .ifPresentOrElse(reason -> takeBack(function, reason), () -> addFunction(function));
    }

    void removeFunction(PciDevice function) {
        takeBack(function, function.address() + " has been removed");
    }

    private synchronized void offer(PciDevice function) {
        DeviceSocket present = sockets.get(function.address());
        if (present != null && present.device() == function) {
            return;
        }
        Path path = directory.resolve(function.address() + ".sock");
        try {
            DeviceSocket socket = new DeviceSocket(
                    manager,
                    function,
                    UnixListener.bind(path, mode, configuration.socket_uid(), configuration.socket_gid()),
                    admission,
                    Timeouts.DEFAULT);
            sockets.put(function.address(), socket);
            acceptor.add(socket);
        } catch (VfioException | IllegalArgumentException e) {
            failed.add(function.address());
            LOGGER.log(Level.ERROR, "{0} cannot be offered: {1}", function.address(), e.getMessage());
        }
    }

    /**
     * Removes the socket of a function. The client is asked to close the device first: its connection is what it does that
     * with.
     */
    private void takeBack(PciDevice function, String reason) {
        failed.remove(function.address());
        DeviceSocket socket = sockets.get(function.address());
        if (socket == null || socket.device() != function || !leaving.add(socket)) {
            return;
        }
        sockets.remove(function.address(), socket);
        acceptor.remove(socket);
        socket.stopListening();
        try {
            manager.opened(function.address())
                    .filter(open -> open.device() == function)
                    .ifPresent(open -> open.withdraw(reason));
        } finally {
            socket.close();
            leaving.remove(socket);
        }
    }

    @Override
    public List<DeviceServer.Endpoint> endpoints() {
        return sockets.values().stream()
                .map(socket -> new DeviceServer.Endpoint(socket.device(), socket.path()))
                .sorted(Comparator.comparing(offered -> offered.device().address()))
                .toList();
    }

    @Override
    public boolean settled() {
        return manager.devices().stream()
                .filter(device -> device.unassignableReason().isEmpty())
                .map(PciDevice::address)
                .allMatch(address -> sockets.containsKey(address) || failed.contains(address));
    }

    /** A mode that is none must not keep VMMs from their devices; the narrowest is safe. */
    private static int mode(String octal) {
        if (!octal.matches("0?[0-7]{3}")) {
            LOGGER.log(
                    Level.ERROR,
                    "socket.mode of vfio.user.server is {0}, which is not octal permissions like 0660; 0600 is used",
                    octal);
            return 0600;
        }
        return Integer.parseInt(octal, 8);
    }

    private static Path directory(String configured, @Nullable String ofRuntime) {
        if (!configured.isEmpty()) {
            return Path.of(configured).toAbsolutePath();
        }
        if (ofRuntime != null) {
            return Path.of(ofRuntime).toAbsolutePath();
        }
        String runtimeDirectory = System.getenv("XDG_RUNTIME_DIR");
        return Path.of(runtimeDirectory == null ? "/run" : runtimeDirectory).resolve("vfio-mediate");
    }
}
