package vfio.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.tuple;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.HotPlug.Place;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.api.pci.PciRegion;

class HotPlugTest {
    private static final PciAddress PF = Functions.PF_ADDRESS;
    private static final PciAddress VF0 = Functions.VF_ADDRESS;
    private static final PciAddress VF1 = PciAddress.parse("0000:03:02.1");
    private static final PciAddress VF2 = PciAddress.parse("0000:03:02.2");
    private static final PciAddress VF3 = PciAddress.parse("0000:03:02.3");
    private static final PciAddress EDU = Functions.EDU_ADDRESS;

    /** A register of BAR0 that keeps what is written, until a reset. */
    private static final int STORAGE = 0x6000;

    private static final int SRIOV_CONTROL = 0x168;
    private static final int NUMBER_OF_VFS = 0x170;

    private final Publications publications = new Publications();
    private final HeapMemory.Factory memory = new HeapMemory.Factory();
    private final SimulatedBus bus = new SimulatedBus(publications);
    private final InsertedCard card = insert(2);

    private InsertedCard insert(int vfs) {
        InsertedCard inserted = bus.insert("test", () -> Card.xl710(PF, vfs, Xl710Options.DEFAULT), memory);
        publications.history.clear();
        return inserted;
    }

    @Test
    void virtualFunctionLeavesAloneAndComesBackAsAfterPowerOn() {
        PciDevice before = publications.at(VF0);
        Hardware opened = before.open(new GuestMemory(0));
        new Accessor(opened, PciRegion.BAR0).write(STORAGE, 0x1234);
        opened.close();

        assertThat(bus.remove(VF0)).containsExactly(VF0);
        assertThat(bus.places())
                .extracting(place -> place.function().address(), Place::present)
                .containsExactly(tuple(PF, true), tuple(VF0, false), tuple(VF1, true));
        assertThat(bus.add(VF0)).containsExactly(VF0);

        assertThat(publications.history).containsExactly("-" + VF0, "+" + VF0);
        assertThat(publications.at(VF0))
                .isNotSameAs(before)
                .returns(0, PciDevice::virtualFunctionNumber)
                .extracting(PciDevice::physicalFunction)
                .extracting(it -> it.orElseThrow())
                .isEqualTo(PF);
        assertThat(new Accessor(publications.at(VF0).open(new GuestMemory(0)), PciRegion.BAR0).read(STORAGE))
                .isZero();
    }

    @Test
    void physicalFunctionTakesItsVirtualOnesAlongAndBringsThemBack() {
        assertThat(bus.remove(PF)).containsExactly(VF1, VF0, PF);
        assertThat(memory.made).hasSize(6).allMatch(HeapMemory::isClosed);

        assertThat(bus.add(PF)).containsExactly(PF, VF0, VF1);

        assertThat(publications.history)
                .containsExactly("-" + VF1, "-" + VF0, "-" + PF, "+" + PF, "+" + VF0, "+" + VF1);
    }

    @Test
    void physicalFunctionTakesAlongWhatIsThereAndBringsAll() {
        bus.remove(VF0);

        assertThat(bus.remove(PF)).containsExactly(VF1, PF);
        assertThat(bus.add(PF)).containsExactly(PF, VF0, VF1);
    }

    @Test
    void physicalFunctionLeavesAloneIfAskedTo() {
        PciDevice virtual = publications.at(VF0);
        Hardware opened = virtual.open(new GuestMemory(0));
        new Accessor(opened, PciRegion.BAR0).write(STORAGE, 0x1234);

        bus.removeAlone(PF);

        assertThat(publications.history).containsExactly("-" + PF);
        assertThat(new Accessor(opened, PciRegion.BAR0).read(STORAGE)).isEqualTo(0x1234);
        assertThat(bus.add(PF)).containsExactly(PF);
        assertThat(publications.at(PF).unassignableReason()).isPresent();
        assertThat(numberOfVfs()).isEqualTo(2);
        assertThat(publications.at(VF0)).isSameAs(virtual);
    }

    /** Whoever has a function open can still use it while it is being withdrawn: only so can he be asked to close it. */
    @Test
    void functionWorksUntilEverybodyHasLetGo() {
        Hardware opened = publications.at(VF0).open(new GuestMemory(0));
        Accessor registers = new Accessor(opened, PciRegion.BAR0);
        publications.beforeWithdraw = device -> {
            registers.write(STORAGE, 0x77);
            assertThat(registers.read(STORAGE)).isEqualTo(0x77);
            assertThat(bus.places())
                    .filteredOn(place -> place.function().address().equals(VF0))
                    .allMatch(Place::present);
        };

        bus.remove(VF0);

        assertFails(Errno.ENODEV, () -> registers.read(STORAGE), "closed");
        assertThat(publications.history).containsExactly("-" + VF0);
    }

    @Test
    void saysWhatCannotBePluggedAndWhy() {
        bus.remove(PF);
        assertFails(Errno.ENODEV, () -> bus.add(VF0), VF0 + " is a virtual function of " + PF);
        assertFails(Errno.ENODEV, () -> bus.remove(PF), PF + " is not present; put it back");
        assertFails(Errno.ENODEV, () -> bus.removeAlone(VF0), VF0 + " is not present; put it back");
        assertFails(Errno.ENODEV, () -> bus.setVirtualFunctions(PF, 3), PF + " is not present; put it back");
        bus.add(PF);
        assertFails(Errno.EEXIST, () -> bus.add(PF), PF + " is present already");
        for (ThrowingCallable unknown : List.<ThrowingCallable>of(
                () -> bus.add(EDU),
                () -> bus.remove(VF2),
                () -> bus.removeAlone(EDU),
                () -> bus.setVirtualFunctions(EDU, 0))) {
            assertFails(Errno.ENODEV, unknown, "has no place on the simulated bus");
        }
    }

    @Test
    void addressOfAFunctionThatIsOutStaysItsOwn() {
        bus.remove(VF0);

        assertFails(Errno.EEXIST, () -> bus.insert("edu", () -> Card.edu(VF0), memory), "is taken");

        card.close();
        bus.insert("edu", () -> Card.edu(VF0), memory);
        assertThat(publications.present).hasSize(1);
    }

    @Test
    void virtualFunctionsGrowAroundThoseThatAreThere() {
        List<PciDevice> before = List.copyOf(publications.present);

        assertThat(bus.setVirtualFunctions(PF, 4)).containsExactly(VF0, VF1, VF2, VF3);

        assertThat(publications.history).containsExactly("~" + PF, "+" + VF2, "+" + VF3);
        assertThat(publications.present).startsWith(before.toArray(PciDevice[]::new));
        assertThat(publications.at(VF3).virtualFunctionNumber()).isEqualTo(3);
        assertThat(numberOfVfs()).isEqualTo(4);
        assertThat(publications.at(PF).unassignableReason().orElseThrow()).contains("4 virtual functions");
    }

    @Test
    void virtualFunctionsShrinkFromTheEnd() {
        List<PciDevice> staying = List.copyOf(publications.present.subList(0, 2));

        assertThat(bus.setVirtualFunctions(PF, 1)).containsExactly(VF0);

        assertThat(publications.history).containsExactly("-" + VF1, "~" + PF);
        assertThat(publications.present).isEqualTo(staying);
        assertThat(numberOfVfs()).isEqualTo(1);
        assertThat(publications.at(PF).unassignableReason().orElseThrow()).contains("1 virtual function;");
        assertFails(Errno.ENODEV, () -> bus.add(VF1), "has no place");
        bus.insert("edu", () -> Card.edu(VF1), memory).close();
    }

    @Test
    void physicalFunctionIsAssignableWithoutVirtualOnes() {
        PciDevice physical = publications.at(PF);
        assertFails(Errno.EPERM, () -> physical.open(new GuestMemory(0)), "has 2 virtual functions");

        assertThat(bus.setVirtualFunctions(PF, 0)).isEmpty();

        assertThat(publications.history).containsExactly("-" + VF1, "-" + VF0, "~" + PF);
        assertThat(physical.unassignableReason()).isEmpty();
        Hardware opened = physical.open(new GuestMemory(0));
        assertThat(Accessor.config(opened).read(SRIOV_CONTROL, 2)).isZero();
        assertThat(Accessor.config(opened).read(NUMBER_OF_VFS, 2)).isZero();
        publications.history.clear();

        assertFails(Errno.EBUSY, () -> bus.setVirtualFunctions(PF, 1), PF + " is in use itself");

        assertThat(physical.unassignableReason()).isEmpty();
        assertThat(publications.history).doesNotContain("+" + VF0);
        assertThat(Accessor.config(opened).read(NUMBER_OF_VFS, 2)).isZero();
        opened.close();
        assertThat(bus.setVirtualFunctions(PF, 1)).containsExactly(VF0);
    }

    @Test
    void numberOfVirtualFunctionsOutlivesResetsAndRemovals() {
        bus.setVirtualFunctions(PF, 3);
        SimulatedFunction physical = (SimulatedFunction) publications.at(PF);
        physical.model().reset();
        assertThat(numberOfVfs()).isEqualTo(3);

        bus.remove(PF);

        assertThat(bus.add(PF)).containsExactly(PF, VF0, VF1, VF2);
        assertThat(numberOfVfs()).isEqualTo(3);
    }

    @Test
    void virtualFunctionThatIsOutStaysOut() {
        bus.remove(VF0);

        bus.setVirtualFunctions(PF, 3);
        assertThat(publications.has(VF0)).isFalse();
        bus.setVirtualFunctions(PF, 0);
        bus.setVirtualFunctions(PF, 1);

        assertThat(publications.has(VF0)).as("a new one").isTrue();
    }

    @Test
    void sameNumberChangesNothing() {
        assertThat(bus.setVirtualFunctions(PF, 2)).containsExactly(VF0, VF1);

        assertThat(publications.history).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(ints = {-1, 33})
    void numberOfVirtualFunctionsIsBounded(int count) {
        assertFails(
                Errno.EINVAL,
                () -> bus.setVirtualFunctions(PF, count),
                PF + " can have 0 to 32 virtual functions, not " + count);
    }

    @Test
    void onlyPhysicalFunctionsHaveVirtualOnes() {
        bus.insert("edu", () -> Card.edu(EDU), memory);

        assertFails(Errno.EINVAL, () -> bus.setVirtualFunctions(VF0, 1), VF0 + " is not a function that can");
        assertFails(Errno.EINVAL, () -> bus.setVirtualFunctions(EDU, 1), EDU + " is not a function that can");
        assertThat(bus.places())
                .extracting(Place::virtualFunctions, Place::virtualFunctionMaximum)
                .containsExactly(tuple(0, 0), tuple(2, 32), tuple(0, 0), tuple(0, 0));
    }

    @Test
    void thirtyTwoComeAndGo() {
        bus.setVirtualFunctions(PF, 32);
        assertThat(publications.present).hasSize(33);
        bus.setVirtualFunctions(PF, 0);
        assertThat(publications.present).hasSize(1);
        bus.setVirtualFunctions(PF, 2);
        assertThat(memory.made).filteredOn(HeapMemory::isClosed).hasSize(64);
    }

    @Test
    void growthIntoATakenAddressChangesNothing() {
        bus.insert("edu", () -> Card.edu(VF3), memory);
        publications.history.clear();

        assertFails(Errno.EEXIST, () -> bus.setVirtualFunctions(PF, 4), VF3.toString());

        assertThat(publications.history).isEmpty();
        assertThat(bus.setVirtualFunctions(PF, 3)).hasSize(3);
    }

    @Test
    void growthBeyondTheLastAddressChangesNothing() {
        PciAddress last = PciAddress.parse("0000:ff:1d.0");
        bus.insert("last", () -> Card.xl710(last, 8, Xl710Options.DEFAULT), memory);

        assertFails(Errno.EINVAL, () -> bus.setVirtualFunctions(last, 9), "there is no address for virtual function 8");

        assertThat(bus.setVirtualFunctions(last, 8)).hasSize(8);
    }

    /** Two BARs each: the limit is reached in the second of two new functions, at its first or second BAR. */
    @ParameterizedTest
    @ValueSource(ints = {8, 9})
    void growthWithoutMemoryChangesNothing(int limit) {
        memory.limit = limit;

        assertFails(Errno.ENOMEM, () -> bus.setVirtualFunctions(PF, 4), "out of memory");

        assertThat(publications.present).extracting(PciDevice::address).containsExactly(PF, VF0, VF1);
        assertThat(numberOfVfs()).isEqualTo(2);
        assertThat(memory.made.subList(6, limit)).allMatch(HeapMemory::isClosed);
        assertFails(Errno.ENODEV, () -> bus.add(VF2), "has no place");
        memory.limit = Integer.MAX_VALUE;
        assertThat(bus.setVirtualFunctions(PF, 4)).hasSize(4);
    }

    @ParameterizedTest
    @CsvSource({"6", "7", "8", "11"})
    void whatCannotComeBackAsAWholeStaysOut(int limit) {
        bus.remove(PF);
        memory.limit = limit;

        assertFails(Errno.ENOMEM, () -> bus.add(PF), "out of memory");

        assertThat(publications.present).isEmpty();
        assertThat(memory.made).allMatch(HeapMemory::isClosed);
        memory.limit = Integer.MAX_VALUE;
        assertThat(bus.add(PF)).containsExactly(PF, VF0, VF1);
    }

    @Test
    void whatCannotBePublishedAsAWholeStaysOut() {
        bus.remove(PF);
        publications.history.clear();
        publications.beforePublish = device -> {
            if (device.address().equals(VF1)) {
                throw new IllegalStateException("no");
            }
        };

        assertThatExceptionOfType(IllegalStateException.class).isThrownBy(() -> bus.add(PF));

        assertThat(publications.history).containsExactly("+" + PF, "+" + VF0, "-" + VF0, "-" + PF);
        assertThat(bus.places()).noneMatch(Place::present);
    }

    /** A withdrawal may take long. Meanwhile everything can be looked at, and other cards can be changed. */
    @Test
    void changesOfOneCardTakeTurns() throws Exception {
        CountDownLatch withdrawing = new CountDownLatch(1);
        CountDownLatch letGo = new CountDownLatch(1);
        publications.beforeWithdraw = device -> {
            if (device.address().equals(VF0)) {
                withdrawing.countDown();
                Threads.await(letGo);
            }
        };
        CompletableFuture<List<PciAddress>> removal = CompletableFuture.supplyAsync(() -> bus.remove(VF0));
        Threads.await(withdrawing);

        CompletableFuture<List<PciAddress>> addition = CompletableFuture.supplyAsync(() -> bus.add(VF0));
        assertThat(bus.places()).hasSize(3).allMatch(Place::present);
        bus.insert("edu", () -> Card.edu(EDU), memory);
        bus.remove(EDU);
        assertThat(removal).isNotDone();
        assertThat(addition).as("comes after the removal").isNotDone();

        letGo.countDown();
        assertThat(removal.get(20, TimeUnit.SECONDS)).containsExactly(VF0);
        assertThat(addition.get(20, TimeUnit.SECONDS)).containsExactly(VF0);
    }

    @Test
    void cardThatIsPulledOutTakesAllItsPlaces() {
        bus.remove(VF1);
        bus.setVirtualFunctions(PF, 3);
        publications.history.clear();

        card.close();
        card.close();

        assertThat(publications.history).containsExactly("-" + VF2, "-" + VF0, "-" + PF);
        assertThat(bus.places()).isEmpty();
        assertFails(Errno.ENODEV, () -> card.add(VF1), "has no place");
        assertThat(memory.made).allMatch(HeapMemory::isClosed);
        insert(3);
        assertThat(publications.present).hasSize(4);
    }

    private int numberOfVfs() {
        SimulatedFunction physical = (SimulatedFunction) publications.at(PF);
        Accessor config = Accessor.config(physical.model());
        assertThat(config.read(SRIOV_CONTROL, 2)).isEqualTo(0x9);
        return (int) config.read(NUMBER_OF_VFS, 2);
    }

    private static void assertFails(Errno errno, ThrowingCallable call, String sentence) {
        assertThatExceptionOfType(VfioException.class)
                .isThrownBy(call)
                .withMessageContaining(sentence)
                .returns(errno, VfioException::errno);
    }
}
