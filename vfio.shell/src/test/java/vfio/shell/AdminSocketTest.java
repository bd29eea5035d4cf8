package vfio.shell;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.Proxy;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.osgi.framework.BundleContext;

class AdminSocketTest {
    @TempDir
    Path directory;

    private final Gogo gogo = new Gogo();

    @AfterEach
    void stop() {
        gogo.close();
    }

    @Test
    void theConfigurationNamesTheFolder() throws Exception {
        AdminSocket socket = new AdminSocket(gogo.processor, context("/nowhere"), configuration(directory.toString()));

        assertThat(AdminClient.run(directory.resolve("admin.sock"), "vfio:devices")
                        .status())
                .isZero();
        socket.deactivate();
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void otherwiseTheFrameworkDoes() {
        AdminSocket socket = new AdminSocket(gogo.processor, context(directory.toString()), configuration(""));

        assertThat(directory.resolve("admin.sock")).exists();
        socket.deactivate();
    }

    @Test
    void withoutAFolderThereIsNoSocket() {
        AdminSocket socket = new AdminSocket(gogo.processor, context(null), configuration(""));

        socket.deactivate();
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void aRefusedFolderDisablesTheSocketAndNothingElse() throws Exception {
        AdminSocket first = new AdminSocket(gogo.processor, context(null), configuration(directory.toString()));
        AdminSocket second = new AdminSocket(gogo.processor, context(null), configuration(directory.toString()));

        second.deactivate();

        assertThat(AdminClient.run(directory.resolve("admin.sock"), "vfio:devices")
                        .status())
                .isZero();
        first.deactivate();
    }

    private static BundleContext context(String directory) {
        return (BundleContext) Proxy.newProxyInstance(
                AdminSocketTest.class.getClassLoader(),
                new Class<?>[] {BundleContext.class},
                (proxy, method, args) -> args[0].equals("vfio.socket.dir") ? directory : null);
    }

    private static AdminSocket.Configuration configuration(String directory) {
        return (AdminSocket.Configuration) Proxy.newProxyInstance(
                AdminSocketTest.class.getClassLoader(),
                new Class<?>[] {AdminSocket.Configuration.class},
                (proxy, method, args) -> directory);
    }
}
