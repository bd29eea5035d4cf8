package vfio.itest.guest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import vfio.pci.api.pci.PciRegion;
import vfio.user.client.VfioUserClient;

/** Bundles of the distribution are updated by its shell while a client has a device. */
@Timeout(120)
class RuntimeUpdateIT {
    private static final String VF = "0000:03:02.0";

    /** VFQF_HKEY, a register that keeps what is written. */
    private static final long HASH_KEY = 0xcc00;

    private RuntimeProcess runtime;
    private VfioUserClient client;

    @BeforeEach
    void connect() {
        runtime = RuntimeProcess.start("update");
        client = VfioUserClient.connect(runtime.socket(VF));
        client.writeInt(PciRegion.BAR0, HASH_KEY, 0x0bad_cafe);
    }

    @AfterEach
    void stop() {
        client.close();
        runtime.close();
    }

    @Test
    void theLibraryOfVendorBundlesIsUpdatedWithThem() {
        assertThat(runtime.exec("vfio:update migration.region"))
                .contains(
                        "migration.region is updated to",
                        "; restarted with it: mediate.i40e",
                        VF + " is mediated by i40e again, after ");

        await().untilAsserted(() -> assertThat(runtime.field(VF, "mediator")).contains("i40e"));
        assertThat(runtime.field(VF, "hand-overs").orElseThrow()).startsWith("1, ");
        assertConnected();
    }

    /** The answer must be out before the socket goes that it comes through. */
    @Test
    void theShellAnswersBeforeItIsUpdated() {
        for (int round = 0; round < 5; round++) {
            assertThat(runtime.exec("vfio:update vfio.shell")).contains("this shell ends and comes back");
            await().ignoreExceptions()
                    .untilAsserted(() -> assertThat(runtime.user(VF)).startsWith("vfio-user pid "));
        }
        await().untilAsserted(() ->
                assertThat(runtime.log().split("vfio.shell is updated to", -1)).hasSize(6));
        assertThat(runtime.errors()).isEmpty();
        assertConnected();
    }

    @Test
    void whatADeviceStandsOnIsNotUpdatedUnderIt() {
        for (String name : List.of("vfio.pci.api", "vfio.pci.core", "vfio.user", "vfio.linux", "vfio.sim")) {
            assertThat(runtime.tryExec("vfio:update " + name).messages())
                    .contains(name + " is not updated: open devices stand on ", VF + " (vfio-user pid ");
        }
        assertThat(runtime.tryExec("vfio:update org.apache.felix.configadmin").messages())
                .contains("open devices stand on");
        assertThat(runtime.tryExec("vfio:update org.apache.felix.fileinstall").messages())
                .contains("close the devices first");
        assertThat(runtime.tryExec("vfio:update 0").messages()).contains("is the framework");
        assertThat(runtime.tryExec("vfio:update nothing").messages()).contains("there is no bundle nothing");
        assertThat(runtime.exec("vfio:update").lines())
                .anySatisfy(line -> assertThat(line).contains("mediate.i40e").endsWith("yes"))
                .anySatisfy(line -> assertThat(line).contains("vfio.user").contains("no: open devices stand on"));
        assertConnected();
        client.close();
        await().untilAsserted(() ->
                assertThat(runtime.tryExec("vfio:update vfio.user").output()).contains("vfio.user is updated to"));
    }

    private void assertConnected() {
        assertThat(client.readInt(PciRegion.BAR0, HASH_KEY)).isEqualTo(0x0bad_cafe);
    }
}
