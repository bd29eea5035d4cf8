package vfio.itest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.tuple;
import static org.ops4j.pax.exam.CoreOptions.options;

import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.Test;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.ClientFeature;
import vfio.pci.api.manage.Explanation.Answer;
import vfio.pci.api.manage.Explanation.Verdict;
import vfio.pci.api.manage.MediatorInfo;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.api.pci.PciRegion;

/** The arrival and removal of XL710 physical functions, as the driver for their virtual functions sees it. */
public class PhysicalFunctionIT extends InFramework {
    private static final String FIRST = "0000:03:00.0";
    private static final String SECOND = "0000:04:00.0";
    private static final String VF_OF_FIRST = "0000:03:02.0";
    private static final String VF_OF_SECOND = "0000:04:02.0";

    /** VFGEN_RSTAT: the function is ready. */
    private static final int RSTAT = 0x8800;

    @Configuration
    public Option[] configuration() {
        return options(core(), simulatedBus(), vendors());
    }

    @Test
    public void eachPhysicalFunctionBringsAndTakesItsOffer() {
        assertThat(offers()).isEmpty();
        Configured first = insertXl710(FIRST, 2);
        awaitOffers("VFs of " + FIRST);
        Configured second = insertXl710(SECOND, 1);
        awaitOffers("VFs of " + FIRST, "VFs of " + SECOND);

        first.remove();
        awaitOffers("VFs of " + SECOND);
        second.remove();
        awaitOffers();
        eventually().untilAsserted(() -> assertThat(addresses()).isEmpty());
    }

    @Test
    public void theFunctionsOfACardComeAndGoTogether() {
        Configured card = insertXl710(FIRST, 3);

        assertThat(manager().devices())
                .extracting(device -> device.address().toString(), PciDevice::virtualFunctionNumber)
                .containsExactly(
                        tuple(FIRST, -1), tuple(VF_OF_FIRST, 0), tuple("0000:03:02.1", 1), tuple("0000:03:02.2", 2));
        card.update(Map.of("address", FIRST, "vfs", 1));
        eventually()
                .untilAsserted(() ->
                        assertThat(addresses()).extracting(PciAddress::toString).containsExactly(FIRST, VF_OF_FIRST));
        awaitOffers("VFs of " + FIRST);
    }

    /** The ids of all VFs are equal: only the physical function tells them apart. */
    @Test
    public void virtualFunctionsAreMediatedByTheOfferOfTheirOwnPhysicalFunction() {
        insertXl710(FIRST, 2);
        insertXl710(SECOND, 2);
        awaitOffers("VFs of " + FIRST, "VFs of " + SECOND);
        OpenDevice ofFirst = open(VF_OF_FIRST);
        OpenDevice ofSecond = open(VF_OF_SECOND);

        assertThat(ofFirst.device().ids()).isEqualTo(ofSecond.device().ids());
        assertThat(acceptedBy(VF_OF_FIRST)).isEqualTo("VFs of " + FIRST);
        assertThat(acceptedBy(VF_OF_SECOND)).isEqualTo("VFs of " + SECOND);
        assertThat(Stream.of(VF_OF_FIRST, VF_OF_SECOND)
                        .flatMap(address -> verdicts(address).stream())
                        .filter(verdict -> verdict.mediator().equals("i40e") && verdict.answer() == Answer.DECLINED)
                        .map(Verdict::reason))
                .as("one of the two was offered to the other's driver first")
                .singleElement()
                .isIn("VF 0 of " + SECOND + ", not of " + FIRST, "VF 0 of " + FIRST + ", not of " + SECOND);
        assertThat(manager().mediators())
                .extracting(MediatorInfo::name, MediatorInfo::openDevices)
                .containsExactlyInAnyOrder(tuple("i40e", 1), tuple("i40e", 1), tuple("igd", 0));
    }

    @Test
    public void statesOfTwoCardsAreApart() {
        insertXl710(FIRST, 1);
        insertXl710(SECOND, 1);
        OpenDevice ofFirst = open(VF_OF_FIRST);
        OpenDevice ofSecond = open(VF_OF_SECOND);
        int scratch = 0x1000;
        write(ofFirst, PciRegion.BAR0, scratch, 0x1111_1111);
        write(ofSecond, PciRegion.BAR0, scratch, 0x2222_2222);

        assertThat(read(ofFirst, PciRegion.BAR0, scratch)).isEqualTo(0x1111_1111);
        assertThat(read(ofSecond, PciRegion.BAR0, scratch)).isEqualTo(0x2222_2222);
        assertThat(read(ofFirst, PciRegion.BAR0, RSTAT)).isEqualTo(2);
    }

    @Test
    public void anOpenVirtualFunctionIsClosedWhenItsCardIsPulled() {
        Configured first = insertXl710(FIRST, 1);
        insertXl710(SECOND, 1);
        OpenDevice ofFirst = open(VF_OF_FIRST);
        OpenDevice ofSecond = open(VF_OF_SECOND);
        first.remove();
        awaitOffers("VFs of " + SECOND);

        assertThatExceptionOfType(VfioException.class)
                .isThrownBy(() -> read(ofFirst, PciRegion.BAR0, RSTAT))
                .extracting(VfioException::errno)
                .isEqualTo(Errno.ENODEV);
        assertThat(manager().opened(PciAddress.parse(VF_OF_FIRST))).isEmpty();
        assertThat(read(ofSecond, PciRegion.BAR0, RSTAT)).isEqualTo(2);
        insertXl710(FIRST, 1);
        awaitOffers("VFs of " + FIRST, "VFs of " + SECOND);
        assertThat(open(VF_OF_FIRST).mediator()).contains("i40e");
    }

    @Test
    public void aPhysicalFunctionIsAssignableOnlyWithoutVirtualFunctions() {
        insertXl710(FIRST, 2);
        insertXl710(SECOND, 0);
        awaitOffers("VFs of " + FIRST, "VFs of " + SECOND);

        assertThatExceptionOfType(VfioException.class)
                .isThrownBy(() -> open(FIRST))
                .withMessageContaining("virtual functions")
                .extracting(VfioException::errno)
                .isEqualTo(Errno.EPERM);
        assertThat(open(SECOND).mediator()).isEmpty();
        assertThat(verdicts(SECOND))
                .extracting(Verdict::mediator, Verdict::answer, Verdict::reason)
                .contains(
                        tuple("i40e", Answer.DECLINED, SECOND + " is not a virtual function"),
                        tuple("igd", Answer.DECLINED, "8086:1572 is not an Intel graphics device"));
    }

    @Test
    public void areasOfTheProposalReachTheClient() {
        insertXl710(FIRST, 1);
        awaitOffers("VFs of " + FIRST);

        List<SparseArea> areas = open(VF_OF_FIRST, ClientFeature.DYNAMIC_TRAP)
                .regionInfo(PciRegion.BAR0)
                .areas();
        assertThat(areas)
                .contains(SparseArea.direct(0, 0x2000))
                .contains(SparseArea.disablable(0x2000, 0x1000))
                .contains(SparseArea.disablable(0x6000, 0x2000));
        assertThat(areas)
                .as("what the hardware traps stays trapped")
                .noneMatch(area -> area.offset() <= RSTAT && RSTAT < area.end());
    }

    private List<String> offers() {
        return manager().mediators().stream()
                .filter(mediator -> mediator.name().equals("i40e"))
                .map(MediatorInfo::serves)
                .toList();
    }

    private void awaitOffers(String... expected) {
        eventually().untilAsserted(() -> assertThat(offers()).containsExactlyInAnyOrder(expected));
    }

    /** What the driver serves that accepted a function. */
    private String acceptedBy(String address) {
        long serviceId = verdicts(address).stream()
                .filter(verdict -> verdict.answer() == Answer.ACCEPTED)
                .findFirst()
                .orElseThrow()
                .serviceId();
        return manager().mediators().stream()
                .filter(mediator -> mediator.serviceId() == serviceId)
                .findFirst()
                .orElseThrow()
                .serves();
    }

    private List<Verdict> verdicts(String address) {
        return manager().explain(PciAddress.parse(address)).orElseThrow().verdicts();
    }
}
