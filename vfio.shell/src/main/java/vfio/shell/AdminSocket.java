package vfio.shell;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import org.apache.felix.service.command.CommandProcessor;
import org.jspecify.annotations.Nullable;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.Designate;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;

/** The administration socket: {@code admin.sock} in the folder of the device sockets runs shell commands. */
@Component(
        service = {},
        immediate = true,
        configurationPid = "vfio.shell.admin")
@Designate(ocd = AdminSocket.Configuration.class)
public final class AdminSocket {
    private static final Logger LOG = System.getLogger(AdminSocket.class.getName());

    /** Framework property: the folder of the sockets, where the configuration names none. */
    private static final String DIRECTORY_PROPERTY = "vfio.socket.dir";

    /** Configuration of the administration socket. */
    @ObjectClassDefinition(
            name = "VFIO administration socket",
            description = "A UNIX socket that runs shell commands of the same user and of root")
    public @interface Configuration {
        /** The folder of the socket. */
        @AttributeDefinition(
                name = "Folder",
                description = "Where admin.sock is made; if empty, the framework property " + DIRECTORY_PROPERTY)
        String socket_directory() default "";
    }

    private final @Nullable AdminServer server;

    /** Offers the socket. What keeps it from being offered is logged; the rest of the shell works without. */
    @Activate
    public AdminSocket(@Reference CommandProcessor processor, BundleContext context, Configuration configuration) {
        String directory = configuration.socket_directory().isBlank()
                ? context.getProperty(DIRECTORY_PROPERTY)
                : configuration.socket_directory();
        server = directory == null || directory.isBlank() ? disabled() : open(Path.of(directory), processor);
    }

    /** Removes the socket and ends its connections. */
    @Deactivate
    public void deactivate() {
        if (server != null) {
            server.close();
        }
    }

    private static @Nullable AdminServer disabled() {
        LOG.log(
                Level.INFO,
                "no administration socket: neither socket.directory of vfio.shell.admin nor " + DIRECTORY_PROPERTY
                        + " names a folder");
        return null;
    }

    private static @Nullable AdminServer open(Path directory, CommandProcessor processor) {
        try {
            AdminServer server = AdminServer.open(directory, processor, AdminServer.Limits.DEFAULT);
            LOG.log(Level.INFO, "administration socket " + server.path());
            return server;
        } catch (IOException e) {
            LOG.log(Level.ERROR, "no administration socket: " + e.getMessage());
            return null;
        }
    }
}
