package vfio.itest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.entry;
import static org.ops4j.pax.exam.CoreOptions.options;

import java.io.IOException;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.Before;
import org.junit.Test;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleException;
import org.osgi.framework.FrameworkUtil;
import org.osgi.service.cm.ConfigurationAdmin;
import vfio.pci.api.manage.MediatorInfo;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.manage.TrapStatus;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciRegion;

/** Vendor bundles that stop, start and are replaced while their devices are in use. */
public class VendorBundleIT extends InFramework {
    private static final String VF = "0000:03:02.0";
    private static final String OTHER_VF = "0000:03:02.1";
    private static final String IGD = "0000:00:02.0";

    /** VFGEN_RSTAT: the function is ready. */
    private static final int RSTAT = 0x8800;

    /** VFQF_HKEY, which keeps what is written. */
    private static final int HASH_KEY = 0xcc00;

    @Configuration
    public Option[] configuration() {
        return options(core(), simulatedBus(), vendors());
    }

    @Before
    public void insertDevices() {
        configure("vfio.pci.core.rule", Map.of("successor.wait", 0));
        insertXl710("0000:03:00.0", 2);
        insertIgd(IGD);
        eventually().untilAsserted(() -> assertThat(mediatorNames()).containsExactlyInAnyOrder("i40e", "igd"));
    }

    @Test
    public void theDeviceGoesOnWithoutItsDriver() throws BundleException {
        OpenDevice device = open(VF);
        write(device, PciRegion.BAR0, HASH_KEY, 0x0bad_cafe);
        assertThat(read(device, PciRegion.BAR0, RSTAT)).isEqualTo(2);
        assertThat(device.counters()).contains(entry("bar0.reads.trapped", 1L), entry("bar0.writes.trapped", 1L));
        assertThat(info("i40e").openDevices()).isEqualTo(1);
        Bundle driver = bundleNamed("mediate.i40e");
        driver.stop();
        try {
            assertThat(mediatorNames()).containsExactly("igd");
            assertThat(device.mediator()).isEmpty();
            assertThat(device.counters()).isEmpty();
            assertThat(read(device, PciRegion.BAR0, RSTAT)).isEqualTo(2);
            assertThat(read(device, PciRegion.BAR0, HASH_KEY)).isEqualTo(0x0bad_cafe);
            assertThat(open(OTHER_VF).mediator())
                    .as("opened while the driver is away")
                    .isEmpty();
        } finally {
            driver.start();
        }
        awaitDriver("i40e");

        assertThat(device.mediator())
                .as("an open device is not taken over silently")
                .isEmpty();
        assertThat(info("i40e").openDevices()).isZero();
        device.close();
        OpenDevice again = open(VF);
        assertThat(again.mediator()).contains("i40e");
        assertThat(read(again, PciRegion.BAR0, HASH_KEY))
                .as("the device kept its state")
                .isEqualTo(0x0bad_cafe);
        assertThat(again.counters()).containsEntry("bar0.reads.trapped", 1L);
    }

    @Test
    public void otherDriversAreNotDisturbed() throws BundleException {
        OpenDevice graphics = open(IGD);
        read(graphics, PciRegion.BAR0, 0);
        Bundle driver = bundleNamed("mediate.i40e");
        driver.stop();
        try {
            read(graphics, PciRegion.BAR0, 0);
            assertThat(graphics.mediator()).contains("igd");
            assertThat(graphics.counters()).containsEntry("bar0.reads.trapped", 2L);
        } finally {
            driver.start();
        }
        awaitDriver("i40e");
    }

    @Test
    public void aBundleIsUninstalledAndInstalledAgainUnderAnOpenDevice() throws BundleException {
        OpenDevice device = open(IGD);
        assertThat(device.mediator()).contains("igd");
        assertThat(device.trapStatus().mode()).isEqualTo(TrapStatus.Mode.ALWAYS);
        Bundle driver = bundleNamed("mediate.igd");
        String location = driver.getLocation();
        driver.uninstall();
        assertThat(mediatorNames()).containsExactly("i40e");
        assertThat(device.mediator()).isEmpty();
        assertThat(read(device, PciRegion.CONFIG, 0)).isEqualTo(0x5927_8086);
        context.installBundle(location).start();
        awaitDriver("igd");
        device.close();

        assertThat(open(IGD).mediator()).contains("igd");
    }

    /** A client that never stops reading notices nothing: every read is answered, and correctly. */
    @Test
    public void noAccessIsLostWhenADriverGoes() throws BundleException {
        Bundle driver = bundleNamed("mediate.i40e");
        for (int round = 0; round < 10; round++) {
            OpenDevice device = open(VF);
            assertThat(device.mediator()).contains("i40e");
            AtomicBoolean enough = new AtomicBoolean();
            AtomicInteger reads = new AtomicInteger();
            CompletableFuture<Void> client = CompletableFuture.runAsync(() -> {
                while (!enough.get()) {
                    assertThat(read(device, PciRegion.BAR0, RSTAT)).isEqualTo(2);
                    reads.incrementAndGet();
                }
            });
            try {
                awaitMore(reads, client);
                driver.stop();
                awaitMore(reads, client);
            } finally {
                enough.set(true);
                driver.start();
            }
            client.join();
            device.close();
            awaitDriver("i40e");
        }
    }

    @Test
    public void aChangedListOfIdsCountsFromTheNextOpenOn() throws IOException {
        org.osgi.service.cm.Configuration list =
                service(ConfigurationAdmin.class).getConfiguration("mediate.igd", "?");
        try {
            list.update(FrameworkUtil.asDictionary(Map.of("device.ids", new String[] {"193b"})));
            eventually().untilAsserted(() -> assertThat(verdictOnGraphics())
                    .isEqualTo("DECLINED: 8086:5927 is not in device.ids of mediate.igd"));
        } finally {
            list.delete();
        }
        eventually().untilAsserted(() -> assertThat(verdictOnGraphics()).isEqualTo("ACCEPTED: "));
    }

    /** What the driver says when the graphics device is opened. */
    private String verdictOnGraphics() {
        open(IGD).close();
        return manager().explain(PciAddress.parse(IGD)).orElseThrow().verdicts().stream()
                .filter(verdict -> verdict.mediator().equals("igd"))
                .map(verdict -> verdict.answer() + ": " + verdict.reason())
                .findFirst()
                .orElse("not there");
    }

    private static void awaitMore(AtomicInteger reads, CompletableFuture<Void> client) {
        int seen = reads.get();
        eventually().until(() -> reads.get() > seen + 100 || client.isDone());
        assertThat(client).isNotDone();
    }

    private void awaitDriver(String name) {
        eventually().untilAsserted(() -> assertThat(mediatorNames()).contains(name));
    }

    private MediatorInfo info(String name) {
        return manager().mediators().stream()
                .filter(mediator -> mediator.name().equals(name))
                .findFirst()
                .orElseThrow();
    }
}
