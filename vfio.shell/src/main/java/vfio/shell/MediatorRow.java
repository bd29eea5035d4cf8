package vfio.shell;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import vfio.pci.api.manage.DeviceManager;
import vfio.pci.api.manage.MediatorInfo;
import vfio.pci.api.pci.PciAddress;

/**
 * A registered vendor driver, as a row.
 *
 * @param name its name
 * @param serves what it says it serves
 * @param ranking its service ranking
 * @param bundle its bundle
 * @param openDevices number of devices it mediates now
 * @param failures exceptions it threw
 * @param counters what its mediations count, by device
 */
record MediatorRow(
        String name,
        String serves,
        int ranking,
        String bundle,
        int openDevices,
        long failures,
        Map<PciAddress, Map<String, Long>> counters)
        implements Row {
    static MediatorRow of(MediatorInfo mediator, DeviceManager manager) {
        Map<PciAddress, Map<String, Long>> counters = new TreeMap<>();
        for (PciAddress address : mediator.devices()) {
            Use.of(manager, address).ifPresent(use -> counters.put(address, use.counters()));
        }
        return new MediatorRow(
                mediator.name(),
                mediator.serves(),
                mediator.ranking(),
                mediator.bundle(),
                mediator.openDevices(),
                mediator.failures(),
                counters);
    }

    @Override
    public List<Cell> cells() {
        return List.of(
                Cell.text("name", name),
                Cell.text("serves", serves),
                Cell.number("ranking", ranking),
                Cell.text("bundle", bundle),
                Cell.number("open", openDevices),
                Cell.number("failures", failures),
                Cell.text(
                        "counters",
                        counters.isEmpty()
                                ? Cell.NONE
                                : counters.entrySet().stream()
                                        .map(device -> device.getKey() + ": " + Use.text(device.getValue()))
                                        .collect(Collectors.joining(", "))));
    }
}
