package vfio.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.annotation.Annotation;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.api.pci.PciInterrupt;
import vfio.pci.api.pci.PciRegion;

class ComponentsTest {
    private final Publications publications = new Publications();
    private final List<PciDevice> present = publications.present;
    private final List<String> history = publications.history;
    private final HeapMemory.Factory memory = new HeapMemory.Factory();
    private final SimulatedBus bus = new SimulatedBus(publications);

    @Test
    void physicalFunctionComesFirstAndGoesLast() {
        Xl710Component component = new Xl710Component(xl710("0000:03:00.0", 2), bus, memory, null);
        assertThat(present).extracting(PciDevice::virtualFunctionNumber).containsExactly(-1, 0, 1);
        assertThat(present.get(0).unassignableReason())
                .hasValueSatisfying(
                        it -> assertThat(it).contains("0000:03:00.0").contains("2"));
        assertThat(present.get(1).unassignableReason()).isEmpty();
        assertThat(present.get(2).physicalFunction()).contains(present.get(0).address());
        component.deactivate();
        assertThat(history)
                .containsExactly(
                        "+0000:03:00.0",
                        "+0000:03:02.0",
                        "+0000:03:02.1",
                        "-0000:03:02.1",
                        "-0000:03:02.0",
                        "-0000:03:00.0");
        assertThat(memory.made).hasSize(6).allMatch(HeapMemory::isClosed);
    }

    @Test
    void physicalFunctionWithoutVirtualOnesCanBeAssigned() {
        new Xl710Component(xl710("0000:03:00.0", 0), bus, memory, null);
        assertThat(present).hasSize(1);
        assertThat(present.get(0).unassignableReason()).isEmpty();
    }

    @Test
    void thirtyTwoVirtualFunctionsSpreadOverDevices() {
        new Xl710Component(xl710("0000:03:00.0", 32), bus, memory, null);
        assertThat(present).hasSize(33);
        assertThat(present.get(32).address()).hasToString("0000:03:05.7");
    }

    @ParameterizedTest
    @CsvSource({
        "03:00.0, 2, is not a PCI address",
        "0000:03:00.0, 33, vfs is 33",
        "0000:03:00.0, -1, vfs is -1",
        "0000:ff:1f.0, 32, no PCI address",
    })
    void badXl710ConfigurationIsRefused(String address, int vfs, String sentence) {
        assertThatExceptionOfType(VfioException.class)
                .isThrownBy(() -> new Xl710Component(xl710(address, vfs), bus, memory, null))
                .withMessageContaining(sentence)
                .returns(Errno.EINVAL, VfioException::errno);
        nothingIsLeft();
    }

    @ParameterizedTest
    @CsvSource({
        "592, 256, device is",
        "59zz, 256, device is",
        "5927, 0, aperture is",
        "5927, 3, aperture is",
        "5927, 2048, aperture is"
    })
    void badIgdConfigurationIsRefused(String device, int aperture, String sentence) {
        assertThatExceptionOfType(VfioException.class)
                .isThrownBy(() -> new IgdComponent(igd("0000:00:02.0", device, aperture), bus, memory))
                .withMessageContaining(sentence)
                .returns(Errno.EINVAL, VfioException::errno);
        nothingIsLeft();
    }

    @Test
    void igdHasTheConfiguredIdAndAperture() {
        new IgdComponent(igd("0000:00:02.0", "193B", 8), bus, memory);
        assertThat(present.get(0).ids().id()).isEqualTo("8086:193b");
        assertThat(present.get(0).open(new GuestMemory(0)).regionInfo(2).size()).isEqualTo(8 << 20);
    }

    @Test
    void takenAddressIsRefusedAndFreeAfterRemoval() {
        Xl710Component first = new Xl710Component(xl710("0000:03:00.0", 2), bus, memory, null);
        int before = memory.made.size();
        assertThatExceptionOfType(VfioException.class)
                .isThrownBy(() -> new EduComponent(edu("0000:03:02.1"), bus, memory))
                .withMessageContaining("0000:03:02.1")
                .returns(Errno.EEXIST, VfioException::errno);
        assertThat(memory.made.subList(before, memory.made.size())).allMatch(HeapMemory::isClosed);
        assertThat(present).hasSize(3);
        first.deactivate();
        new EduComponent(edu("0000:03:02.1"), bus, memory);
        assertThat(present).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 5})
    void outOfMemoryLeavesNothingBehind(int limit) {
        memory.limit = limit;
        assertThatExceptionOfType(VfioException.class)
                .isThrownBy(() -> new Xl710Component(xl710("0000:03:00.0", 2), bus, memory, null))
                .returns(Errno.ENOMEM, VfioException::errno);
        nothingIsLeft();
        memory.limit = Integer.MAX_VALUE;
        new Xl710Component(xl710("0000:03:00.0", 2), bus, memory, null);
        assertThat(present).hasSize(3);
    }

    @Test
    void aPublisherThatFailsLeavesNothingBehind() {
        List<String> gone = new ArrayList<>();
        SimulatedBus failing = new SimulatedBus(device -> {
            if (device.virtualFunctionNumber() == 0) {
                throw new IllegalStateException("no");
            }
            return new Publication() {
                @Override
                public void changed() {
                    throw new AssertionError("nothing has changed");
                }

                @Override
                public void withdraw() {
                    gone.add(device.address().toString());
                }
            };
        });
        assertThatExceptionOfType(IllegalStateException.class)
                .isThrownBy(() -> new Xl710Component(xl710("0000:03:00.0", 2), failing, memory, null));
        assertThat(gone).containsExactly("0000:03:00.0");
        assertThat(memory.made).allMatch(HeapMemory::isClosed);
    }

    private void nothingIsLeft() {
        assertThat(present).isEmpty();
        assertThat(memory.made).allMatch(HeapMemory::isClosed);
    }

    @Test
    void queuePairsAndMappingAreConfigured() {
        new Xl710Component(
                configuration(
                        Xl710Component.Configuration.class,
                        Map.of("address", "0000:03:00.0", "vfs", 1, "queues", 16, "mmap", false)),
                bus,
                memory,
                null);
        Hardware function = present.get(1).open(new GuestMemory(4096));

        assertThat(function.interruptInfo(PciInterrupt.MSIX).count()).isEqualTo(17);
        assertThat(function.regionInfo(PciRegion.BAR0)).isEqualTo(RegionInfo.trapped(PciRegion.BAR0, 0x10000));
        function.close();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 17})
    void impossibleNumbersOfQueuePairsAreRefused(int queues) {
        assertThatThrownBy(() -> new Xl710Component(
                        configuration(
                                Xl710Component.Configuration.class,
                                Map.of("address", "0000:03:00.0", "queues", queues)),
                        bus,
                        memory,
                        null))
                .hasMessageContaining("queues is " + queues + "; a virtual function has 1 to 16");
        assertThat(present).isEmpty();
    }

    @Test
    void aCardWorksWithoutTheHostPortItCannotHave() {
        new Xl710Component(
                configuration(
                        Xl710Component.Configuration.class, Map.of("address", "0000:03:00.0", "host_port", "tap0")),
                bus,
                memory,
                null);

        assertThat(present).hasSize(3);
        assertThat(new SimulatedNetworkCards(bus).ports())
                .allMatch(port -> port.virtualFunction().isPresent());
    }

    @Test
    void configurationHasTheDefaultsOfTheEmbeddedBus() {
        new Xl710Component(
                configuration(Xl710Component.Configuration.class, Map.of("address", "0000:03:00.0")),
                bus,
                memory,
                null);
        new IgdComponent(
                configuration(IgdComponent.Configuration.class, Map.of("address", "0000:00:02.0", "aperture", 16)),
                bus,
                memory);
        assertThat(present)
                .extracting(device -> device.address() + " " + device.ids().id())
                .containsExactly(
                        "0000:03:00.0 8086:1572",
                        "0000:03:02.0 8086:154c",
                        "0000:03:02.1 8086:154c",
                        "0000:00:02.0 8086:5927");
    }

    private static Xl710Component.Configuration xl710(String address, int vfs) {
        return configuration(Xl710Component.Configuration.class, Map.of("address", address, "vfs", vfs));
    }

    private static IgdComponent.Configuration igd(String address, String device, int aperture) {
        return configuration(
                IgdComponent.Configuration.class, Map.of("address", address, "device", device, "aperture", aperture));
    }

    private static EduComponent.Configuration edu(String address) {
        return configuration(EduComponent.Configuration.class, Map.of("address", address));
    }

    /** What Declarative Services makes of a configuration: an annotation with the given values, defaults for the rest. */
    private static <A extends Annotation> A configuration(Class<A> type, Map<String, Object> values) {
        return type.cast(Proxy.newProxyInstance(
                type.getClassLoader(),
                new Class<?>[] {type},
                (proxy, method, arguments) -> values.getOrDefault(method.getName(), method.getDefaultValue())));
    }
}
