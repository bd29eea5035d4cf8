package vfio.sim.xl710;

import static org.assertj.core.api.Assertions.assertThat;
import static vfio.sim.xl710.TestDriver.message;

import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.sim.xl710.TestDriver.Message;

class VirtchnlRequestsTest {
    private static final int PARAM = Virtchnl.STATUS_ERR_PARAM;
    private static final int NOT_SUPPORTED = Virtchnl.STATUS_ERR_NOT_SUPPORTED;

    private final Adapter adapter = new Adapter("test", 4, 0x0200_0300_0000L, Optional.empty());
    private final TestDriver driver = new TestDriver(adapter, 1);

    @AfterEach
    void close() {
        driver.close();
        adapter.close();
    }

    @Test
    void resourcesAreWhatTheDriverNeeds() {
        driver.mailbox();
        Message version = driver.ask(1, message(8).putInt(0, 1).putInt(4, 1));
        assertThat(version.payload().getInt(0)).isEqualTo(1);
        assertThat(version.payload().getInt(4)).isEqualTo(1);
        Message resources = driver.ask(3, message(4).putInt(0, 0x1abd80f9));
        ByteBuffer payload = resources.payload();

        assertThat(resources.status()).isZero();
        assertThat(payload.limit()).isEqualTo(36);
        assertThat(payload.getShort(0)).as("VSIs").isEqualTo((short) 1);
        assertThat(payload.getShort(2)).as("queue pairs").isEqualTo((short) 4);
        assertThat(payload.getShort(4)).as("vectors").isEqualTo((short) 5);
        assertThat(payload.getShort(6)).as("MTU").isEqualTo((short) 9728);
        assertThat(payload.getInt(8)).as("capabilities").isEqualTo(0x0008_0081);
        assertThat(payload.getInt(12)).as("RSS key").isEqualTo(52);
        assertThat(payload.getInt(16)).as("RSS table").isEqualTo(64);
        assertThat(payload.getShort(20)).as("VSI").isNotZero();
        assertThat(payload.getInt(24)).as("type").isEqualTo(6);
        byte[] mac = new byte[6];
        payload.get(30, mac);
        assertThat(mac).containsExactly(2, 0, 3, 0, 0, 1);
    }

    @Test
    void anOldDriverGetsNoCapabilitiesItDidNotAskFor() {
        driver.mailbox();
        assertThat(driver.ask(1, message(8).putInt(0, 1).putInt(4, 0)).payload().getInt(4))
                .isZero();
        assertThat(driver.ask(3, message(4)).status()).isEqualTo(PARAM);
        assertThat(driver.ask(3, message(0)).payload().getInt(8)).isEqualTo(Virtchnl.VF_OFFLOAD_L2);
    }

    @ParameterizedTest
    @MethodSource("unknown")
    void whatIsNotKnownIsAnsweredOnce(int opcode) {
        driver.probe();
        Message reply = driver.ask(opcode, message(16));
        assertThat(reply.status()).isEqualTo(NOT_SUPPORTED);
        assertThat(reply.payload().limit()).isZero();
        assertThat(driver.ask(15, message(12).putShort(0, (short) driver.vsi)).status())
                .as("the one behind it")
                .isZero();
    }

    static IntStream unknown() {
        return IntStream.concat(
                IntStream.rangeClosed(0, 120)
                        .filter(number -> number != VirtchnlOpcode.RESET_VF && VirtchnlOpcode.of(number) == null),
                IntStream.of(Integer.MAX_VALUE, Integer.MIN_VALUE, -1));
    }

    @ParameterizedTest
    @EnumSource
    void everyRequestIsRefusedWithAWrongSize(VirtchnlOpcode opcode) {
        driver.probe();
        for (int size : new int[] {1, 3, 7, 13, 33}) {
            assertThat(driver.ask(opcode.number(), message(size)).status())
                    .as("%d bytes", size)
                    .isEqualTo(PARAM);
        }
        assertThat(driver.hasNext()).isFalse();
    }

    @ParameterizedTest
    @EnumSource
    void nothingIsDoneBeforeTheDriverHasItsResources(VirtchnlOpcode opcode) {
        driver.mailbox();
        driver.ask(1, message(8).putInt(0, 1).putInt(4, 1));
        ByteBuffer right = opcode == VirtchnlOpcode.GET_RSS_HENA_CAPS ? message(0) : message(12);
        int status = driver.ask(opcode.number(), right).status();
        if (opcode.needsResources()) {
            assertThat(status).isEqualTo(PARAM);
        }
    }

    /** A function's id in front of a request that is right otherwise. */
    @ParameterizedTest
    @ValueSource(ints = {6, 8, 9, 10, 11, 14, 15, 23, 24})
    void requestsForAnotherFunctionAreRefused(int opcode) {
        driver.probe();
        driver.vsi++;
        ByteBuffer request =
                switch (opcode) {
                    case 6 -> driver.queues(64);
                    case 8, 9 -> driver.enabling(1, 1);
                    case 10, 11 -> driver.addresses(0x0200_0000_0007L);
                    case 14 -> message(4).putShort(0, (short) driver.vsi);
                    case 15 -> message(12).putShort(0, (short) driver.vsi);
                    case 23 -> message(57).putShort(0, (short) driver.vsi).putShort(2, (short) 52);
                    default -> message(69).putShort(0, (short) driver.vsi).putShort(2, (short) 64);
                };
        assertThat(driver.ask(opcode, request).status()).isEqualTo(PARAM);
        driver.vsi--;
    }

    /** Where in CONFIG_VSI_QUEUES, how wide, what. */
    @ParameterizedTest
    @CsvSource({
        "2, 2, 5, more queues than there are",
        "8, 2, 1, another VSI for the transmit queue",
        "10, 2, 4, a queue that is not there",
        "12, 2, 0, no transmit descriptors",
        "12, 2, 12, transmit descriptors not a multiple of 8",
        "12, 2, 8192, more transmit descriptors than a tail can name",
        "16, 8, 64, a transmit ring that is not aligned",
        "32, 2, 1, another VSI for the receive queue",
        "34, 2, 1, different queues in a pair",
        "36, 4, 0, no receive descriptors",
        "36, 4, 40, receive descriptors not a multiple of 32",
        "36, 4, 8192, more receive descriptors than a tail can name",
        "42, 2, 1, split headers",
        "44, 4, 0, no buffer",
        "44, 4, 16257, too large a buffer",
        "48, 4, 63, too short a frame",
        "48, 4, 16384, too long a frame",
        "56, 8, 64, a receive ring that is not aligned",
    })
    void badQueuesAreRefused(int offset, int width, int value, String what) {
        driver.probe();
        ByteBuffer queues = driver.queues(64);
        switch (width) {
            case 2 -> queues.putShort(offset, (short) value);
            case 4 -> queues.putInt(offset, value);
            default -> queues.putLong(offset, value);
        }
        if (offset == 2) {
            queues = message(8 + 5 * 64).put(queues.clear().limit(72)).clear().putShort(2, (short) 5);
        }
        assertThat(driver.ask(6, queues).status()).as(what).isEqualTo(PARAM);
        assertThat(driver.ask(8, driver.enabling(1, 0)).status())
                .as("nothing is configured")
                .isEqualTo(PARAM);
    }

    @Test
    void queuesAreConfiguredBeforeTheyAreEnabledAndNotMeanwhile() {
        driver.probe();
        assertThat(driver.ask(8, driver.enabling(1, 1)).status()).isEqualTo(PARAM);
        driver.open();
        assertThat(driver.ask(6, driver.queues(64)).status()).isEqualTo(PARAM);
        assertThat(driver.ask(8, driver.enabling(2, 0)).status()).isEqualTo(PARAM);
        assertThat(driver.ask(8, driver.enabling(0, 0)).status()).isEqualTo(PARAM);
        assertThat(driver.ask(9, driver.enabling(16, 0)).status()).isEqualTo(PARAM);
        assertThat(driver.ask(9, driver.enabling(1, 1)).status()).isZero();
        assertThat(driver.ask(6, driver.queues(64)).status()).isZero();
    }

    @Test
    void badVectorMapsAreRefused() {
        driver.probe();
        assertThat(driver.ask(7, driver.mapping()).status()).isZero();
        assertThat(driver.ask(7, driver.mapping().putShort(4, (short) 5)).status())
                .as("vector 5 of 5")
                .isEqualTo(PARAM);
        assertThat(driver.ask(7, driver.mapping().putShort(6, (short) 16)).status())
                .as("queue 4 of 4")
                .isEqualTo(PARAM);
        assertThat(driver.ask(7, driver.mapping().putShort(2, (short) 0)).status())
                .as("VSI 0")
                .isEqualTo(PARAM);
    }

    @Test
    void addressesThatNobodyCanHaveAreRefused() {
        driver.probe();
        assertThat(driver.ask(10, driver.addresses(0)).status()).isEqualTo(PARAM);
        assertThat(driver.ask(10, driver.addresses(MacTable.BROADCAST)).status())
                .isEqualTo(PARAM);
        assertThat(driver.ask(10, driver.addresses(2, 3).putShort(2, (short) 9)).status())
                .as("more than there are")
                .isEqualTo(PARAM);
    }

    @Test
    void thereIsRoomForSoManyAddressesOnly() {
        driver.probe();
        long[] many = IntStream.range(0, AddressFilters.MAXIMUM)
                .mapToLong(number -> 0x0200_0000_0000L + number)
                .toArray();
        assertThat(driver.ask(10, driver.addresses(many)).status()).isEqualTo(Virtchnl.STATUS_ERR_NO_MEMORY);
        assertThat(driver.ask(11, driver.addresses(many)).status()).isZero();
        assertThat(driver.ask(10, driver.addresses(7, 8)).status()).isZero();
    }

    @Test
    void scalingIsConfigured() {
        driver.probe();
        ByteBuffer key = message(57).putShort(0, (short) driver.vsi).putShort(2, (short) 52);
        ByteBuffer table = message(69).putShort(0, (short) driver.vsi).putShort(2, (short) 64);
        assertThat(driver.ask(23, key).status()).isZero();
        assertThat(driver.ask(24, table.put(9, (byte) 3)).status()).isZero();
        assertThat(driver.ask(24, table.put(9, (byte) 4)).status())
                .as("queue 4 of 4")
                .isEqualTo(PARAM);
        assertThat(driver.ask(23, key.putShort(2, (short) 40)).status()).isEqualTo(PARAM);
        assertThat(driver.ask(25, message(0)).payload().getLong(0)).isEqualTo(0x8000_7a1e_8000_0000L);
        assertThat(driver.ask(26, message(8).putLong(0, 1L << 31)).status()).isZero();
    }

    @Test
    void statisticsAlwaysHaveTheirWholeSize() {
        driver.probe();
        assertThat(driver.ask(15, message(12).putShort(0, (short) driver.vsi))
                        .payload()
                        .limit())
                .isEqualTo(96);
    }
}
