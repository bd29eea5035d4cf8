package vfio.itest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.entry;
import static org.ops4j.pax.exam.CoreOptions.options;

import java.nio.file.Path;
import java.util.Map;
import org.apache.felix.service.command.CommandProcessor;
import org.junit.Test;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleException;
import vfio.linux.EventFd;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.DeviceServer;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.manage.TrapStatus.Mode;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciInterrupt;
import vfio.pci.api.pci.PciRegion;
import vfio.user.client.ClientOptions;
import vfio.user.client.MappedRegions;
import vfio.user.client.VfioUserClient;

/** Mappings that come and go, from end to end: a client with real mappings, server, core, vendor bundle, simulated device. */
public class DynamicTrapIT extends InFramework {
    private static final String IGD = "0000:00:02.0";
    private static final String VF = "0000:03:02.0";

    /** Below and in the window of {@code mediate.igd}. */
    private static final long LOW = 0x2030;

    private static final long WINDOW = 0x8000;

    /** QRX_TAIL1 of queue 0 and VF_ARQT1, the first registers of their pages. */
    private static final long RX_TAIL = 0x2000;

    private static final long ARQ_TAIL = 0x7000;

    /** The region that the vendor bundles add. */
    private static final int TRAP_REGION = PciRegion.COUNT;

    private static final String TAIL_WRITES = "tracking.tail.writes";

    @Configuration
    public Option[] configuration() {
        return options(core(), simulatedBus(), vendors(), server(), shell());
    }

    @Test
    public void graphicsTrapTheirWindowAndLetItBeMappedAgain() {
        insertIgd(IGD);
        try (VfioUserClient client = connect(IGD, true);
                MappedRegions regions = MappedRegions.open(client, PciRegion.BAR0)) {
            assertThat(client.regionInfo(PciRegion.BAR0).areas())
                    .containsExactly(SparseArea.disablable(WINDOW, WINDOW));
            regions.writeRegister(PciRegion.BAR0, WINDOW, 4, 1);
            assertThat(device(IGD).counters()).containsEntry("bar0.writes.trapped", 0L);
            for (int round = 1; round <= 20; round++) {
                regions.readRegister(PciRegion.BAR0, LOW, 4);
                eventually()
                        .untilAsserted(() ->
                                assertThat(device(IGD).trapStatus().inForce()).isTrue());
                assertThat(regions.isMapped(PciRegion.BAR0, WINDOW)).isFalse();
                assertThat(client.readInt(TRAP_REGION, 4)).isEqualTo(1);

                regions.writeRegister(PciRegion.BAR0, WINDOW, 4, round);
                assertThat(client.readInt(TRAP_REGION, 4)).isZero();
                assertThat(device(IGD).counters())
                        .containsOnly(
                                entry("bar0.reads.trapped", (long) round),
                                entry("bar0.writes.trapped", (long) round),
                                entry("traps", (long) round),
                                entry("untraps", (long) round));
                eventually().untilAsserted(() -> assertThat(regions.isMapped(PciRegion.BAR0, WINDOW))
                        .isTrue());
                assertThat(regions.readRegister(PciRegion.BAR0, WINDOW, 4)).isEqualTo(round);
            }
            assertThat(device(IGD).trapStatus().missed()).isZero();
        }
    }

    @Test
    public void tailsAreSeenWhileTheyAreTracked() {
        insertXl710("0000:03:00.0", 1);
        try (VfioUserClient client = connect(VF, true);
                MappedRegions regions = MappedRegions.open(client, PciRegion.BAR0)) {
            writeTails(regions);
            assertThat(regions.isMapped(PciRegion.BAR0, ARQ_TAIL)).isTrue();

            device(VF).track(true);
            awaitTracking();
            assertThat(regions.isMapped(PciRegion.BAR0, RX_TAIL)).isFalse();
            assertThat(regions.isMapped(PciRegion.BAR0, ARQ_TAIL)).isFalse();
            assertThat(regions.isMapped(PciRegion.BAR0, 0)).isTrue();
            writeTails(regions);
            assertThat(device(VF).counters()).containsEntry(TAIL_WRITES, 2L);

            device(VF).track(false);
            assertThat(device(VF).counters()).containsEntry("tracking.in.force", 0L);
            eventually().untilAsserted(() -> {
                assertThat(regions.isMapped(PciRegion.BAR0, RX_TAIL)).isTrue();
                assertThat(regions.isMapped(PciRegion.BAR0, ARQ_TAIL)).isTrue();
            });
            writeTails(regions);
            assertThat(device(VF).counters()).containsEntry(TAIL_WRITES, 2L);
        }
    }

    @Test
    public void trackingGoesOnWhenTheDriverIsReplaced() throws BundleException {
        insertXl710("0000:03:00.0", 1);
        try (VfioUserClient client = connect(VF, true);
                MappedRegions regions = MappedRegions.open(client, PciRegion.BAR0)) {
            device(VF).track(true);
            awaitTracking();
            writeTails(regions);

            Bundle driver = bundleNamed("mediate.i40e");
            driver.stop();
            driver.start();
            writeTails(regions);

            awaitTracking();
            assertThat(device(VF).counters()).containsEntry(TAIL_WRITES, 4L);
            assertThat(regions.isMapped(PciRegion.BAR0, RX_TAIL)).isFalse();
            assertThat(device(VF).trapStatus().missed()).isZero();
        }
    }

    @Test
    public void aClientThatNeverAcknowledgesIsNotBelieved() {
        insertXl710("0000:03:00.0", 1);
        try (VfioUserClient client = connect(VF, true);
                EventFd event = client.enableIrq(PciInterrupt.TRAP_CHANGED, 0)) {
            device(VF).track(true);
            assertThat(event.drain()).isEqualTo(1);

            eventually().untilAsserted(() -> assertThat(device(VF).trapStatus().missed())
                    .isEqualTo(1));

            assertThat(device(VF).counters()).contains(entry("tracking.requested", 1L), entry("tracking.in.force", 0L));
            assertThat(client.regionInfo(PciRegion.BAR0).areas()).hasSize(4);
        }
    }

    @Test
    public void aClientThatDoesNotKnowIsTrappedFromTheStart() {
        insertXl710("0000:03:00.0", 1);
        try (VfioUserClient client = connect(VF, false);
                MappedRegions regions = MappedRegions.open(client, PciRegion.BAR0)) {
            assertThat(regions.isMapped(PciRegion.BAR0, RX_TAIL)).isFalse();
            assertThat(regions.isMapped(PciRegion.BAR0, 0)).isTrue();
            assertThat(device(VF).trapStatus().mode()).isEqualTo(Mode.ALWAYS);

            device(VF).track(true);

            assertThat(device(VF).counters()).containsEntry("tracking.in.force", 1L);
            writeTails(regions);
            assertThat(device(VF).counters()).containsEntry(TAIL_WRITES, 2L);
        }
    }

    @Test
    public void graphicsGoOnWhereTrappingIsForbidden() {
        configure("vfio.pci.core.rule", Map.of("driver", "igd", "trap", "never"));
        insertIgd(IGD);
        try (VfioUserClient client = connect(IGD, true);
                MappedRegions regions = MappedRegions.open(client, PciRegion.BAR0)) {
            assertThat(client.regionInfo(PciRegion.BAR0).areas()).containsExactly(SparseArea.direct(WINDOW, WINDOW));

            regions.writeRegister(PciRegion.BAR0, LOW, 4, 0x2000);
            assertThat(regions.readRegister(PciRegion.BAR0, LOW, 4)).isEqualTo(0x2000);

            assertThat(regions.isMapped(PciRegion.BAR0, WINDOW)).isTrue();
            assertThat(device(IGD).trapStatus().mode()).isEqualTo(Mode.NEVER);
            assertThat(device(IGD).counters()).containsEntry("traps", 0L);
        }
    }

    /** What its 2019 proposal has a client do. The errno is all that the client gets, so the log has the rest. */
    @Test
    public void aDescriptorNumberInTheTrapRegionIsRefused() {
        insertIgd(IGD);
        try (CapturedLog log = new CapturedLog("igd." + IGD);
                VfioUserClient client = connect(IGD, true)) {
            for (int attempt = 0; attempt < 2; attempt++) {
                assertThatThrownBy(() -> client.writeInt(TRAP_REGION, 0, 17))
                        .isInstanceOfSatisfying(
                                VfioException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EOPNOTSUPP));
            }
            assertThat(log.warnings()).singleElement().asString().contains("send an eventfd with SET_IRQS");
        }
    }

    @Test
    public void anAdministratorTrapsAndUntraps() {
        insertXl710("0000:03:00.0", 1);
        try (ShellSession shell = new ShellSession(service(CommandProcessor.class));
                VfioUserClient client = connect(VF, true);
                MappedRegions regions = MappedRegions.open(client, PciRegion.BAR0)) {
            assertThat(shell.run("vfio:trap 3:2.0 status")).containsPattern("trapped +no\\b");

            assertThat(shell.run("vfio:trap 3:2.0 on"))
                    .containsPattern("trapped +yes\\b")
                    .containsPattern("confirmed by the client +1 times");
            assertThat(regions.isMapped(PciRegion.BAR0, RX_TAIL)).isFalse();
            long seen = device(VF).counters().get("bar0.writes.trapped");
            writeTails(regions);
            assertThat(device(VF).counters()).containsEntry("bar0.writes.trapped", seen + 2);

            assertThat(shell.run("vfio:trap 3:2.0 off")).containsPattern("trapped +no\\b");
            eventually().untilAsserted(() -> assertThat(regions.isMapped(PciRegion.BAR0, RX_TAIL))
                    .isTrue());
            writeTails(regions);
            assertThat(device(VF).counters()).containsEntry("bar0.writes.trapped", seen + 2);
            eventually().untilAsserted(() -> assertThat(shell.run("vfio:trap 3:2.0 status"))
                    .containsPattern("confirmed by the client +2 times"));
        }
    }

    private VfioUserClient connect(String address, boolean dynamicTrap) {
        Path socket = Path.of(context.getProperty(SOCKET_DIRECTORY), address + ".sock");
        eventually().untilAsserted(() -> assertThat(service(DeviceServer.class).endpoints())
                .extracting(DeviceServer.Endpoint::socket)
                .contains(socket));
        return VfioUserClient.connect(socket, ClientOptions.DEFAULT.withDynamicTrap(dynamicTrap));
    }

    private OpenDevice device(String address) {
        return manager().opened(PciAddress.parse(address)).orElseThrow();
    }

    private void awaitTracking() {
        eventually().untilAsserted(() -> assertThat(device(VF).counters()).containsEntry("tracking.in.force", 1L));
    }

    private static void writeTails(MappedRegions regions) {
        regions.writeRegister(PciRegion.BAR0, RX_TAIL, 4, 5);
        regions.writeRegister(PciRegion.BAR0, ARQ_TAIL, 4, 6);
    }
}
