package vfio.itest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.ops4j.pax.exam.CoreOptions.options;

import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.junit.After;
import org.junit.Before;
import org.junit.Test;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleException;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.HotPlug;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.Mediation;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciRegion;

/** Open devices change hands as bundles, physical functions and administrators want it. */
public class HandOverIT extends InFramework {
    private static final PciAddress PF = PciAddress.parse("0000:03:00.0");
    private static final String VF = "0000:03:02.0";

    /** VFQF_HKEY, a register that keeps what is written. */
    private static final long HASH_KEY = 0xcc00;

    @Configuration
    public Option[] configuration() {
        return options(core(), simulatedBus(), vendors());
    }

    @Before
    public void insertCard() {
        insertXl710(PF.toString(), 2);
        awaitDriver();
    }

    @After
    public void startDriver() throws BundleException {
        bundleNamed("mediate.i40e").start();
    }

    @Test
    public void anUpdatedBundleGetsItsDeviceBackWithItsState() throws BundleException {
        OpenDevice device = open(VF);
        write(device, PciRegion.BAR0, HASH_KEY, 0x0bad_cafe);
        read(device, PciRegion.BAR0, HASH_KEY);
        Map<String, Long> before = device.counters();
        bundleNamed("mediate.i40e").update();
        awaitMediator(device, "i40e");

        assertThat(read(device, PciRegion.BAR0, HASH_KEY)).isEqualTo(0x0bad_cafe);
        assertThat(device.counters())
                .as("what the former version had counted, and one read")
                .containsEntry("bar0.writes.trapped", before.get("bar0.writes.trapped"))
                .containsEntry("bar0.reads.trapped", before.get("bar0.reads.trapped") + 1);
        assertThat(device.handOvers().count()).isEqualTo(1);
    }

    @Test
    public void accessesWaitWhileTheBundleIsAway() throws BundleException {
        OpenDevice device = open(VF);
        Bundle driver = bundleNamed("mediate.i40e");
        driver.stop();
        assertThat(device.awaiting()).contains("i40e");
        CompletableFuture<Integer> waiting =
                CompletableFuture.supplyAsync(() -> read(device, PciRegion.BAR0, HASH_KEY));
        driver.start();

        assertThat(waiting.join()).isZero();
        assertThat(device.mediator()).contains("i40e");
    }

    /** The driver serves the functions of a physical function only while that is there. */
    @Test
    public void aPhysicalFunctionLeavesUnderItsOpenFunctionAndComesBack() {
        HotPlug bus = service(HotPlug.class);
        OpenDevice device = open(VF);
        write(device, PciRegion.BAR0, HASH_KEY, 0x77);
        bus.removeAlone(PF);
        assertThat(device.awaiting()).contains("i40e");
        bus.add(PF);
        awaitMediator(device, "i40e");

        assertThat(read(device, PciRegion.BAR0, HASH_KEY)).isEqualTo(0x77);
    }

    @Test
    public void aPhysicalFunctionThatComesLaterChangesNothingUntilTheAdministratorSaysSo() {
        HotPlug bus = service(HotPlug.class);
        bus.removeAlone(PF);
        OpenDevice device = open(VF);
        assertThat(device.mediator()).isEmpty();
        bus.add(PF);
        awaitDriver();
        assertThat(device.mediator()).isEmpty();
        manager().rebind(device.device().address(), Optional.empty());

        assertThat(device.mediator()).contains("i40e");
        assertThat(manager().explain(device.device().address()).orElseThrow().outcome())
                .isEqualTo("handed over from the device underneath to i40e");
    }

    @Test
    public void aBetterDriverTakesOverOnRequestOnly() {
        OpenDevice device = open(VF);
        register("better", 100, context -> {
            context.handedOver();
            return Decision.accept(new Mediation() {});
        });
        assertThat(device.mediator()).contains("i40e");
        assertThatThrownBy(() -> manager().rebind(device.device().address(), Optional.of("unknown")))
                .isInstanceOf(VfioException.class)
                .hasMessageContaining("no driver is named unknown");
        manager().rebind(device.device().address(), Optional.of("better"));
        assertThat(device.mediator()).contains("better");
        manager().rebind(device.device().address(), Optional.of("i40e"));
        assertThat(device.mediator()).contains("i40e");
    }

    @Test
    public void aRuleForTheDriverDecidesWhatHappensWithoutSuccessor() throws BundleException {
        configure("vfio.pci.core.rule", Map.of("successor.wait", 0, "successor.otherwise", "pass-through"));
        configure("vfio.pci.core.rule", Map.of("driver", "i40e", "successor.otherwise", "fail"));
        eventually().untilAsserted(() -> {
            OpenDevice device = open(VF);
            bundleNamed("mediate.i40e").stop();
            try {
                assertThatThrownBy(() -> read(device, PciRegion.BAR0, HASH_KEY))
                        .isInstanceOf(VfioException.class)
                        .hasMessageContaining("i40e has left and no successor came in time");
            } finally {
                device.close();
                bundleNamed("mediate.i40e").start();
                awaitDriver();
            }
        });
    }

    private void awaitDriver() {
        eventually().untilAsserted(() -> assertThat(mediatorNames()).contains("i40e"));
    }

    private static void awaitMediator(OpenDevice device, String name) {
        eventually().until(() -> device.mediator().equals(Optional.of(name)));
    }
}
