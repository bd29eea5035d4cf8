package vfio.shell;

import java.util.List;
import java.util.Locale;
import vfio.pci.api.manage.Explanation.Verdict;
import vfio.pci.api.manage.MediatorInfo;

/**
 * One vendor driver in the order in which they are asked.
 *
 * @param order counted from 1
 * @param mediator its name
 * @param ranking its service ranking
 * @param answer what it said
 * @param reason why, or what it says it serves
 */
record VerdictRow(int order, String mediator, int ranking, String answer, String reason) implements Row {
    static VerdictRow of(int order, Verdict verdict) {
        return new VerdictRow(
                order,
                verdict.mediator(),
                verdict.ranking(),
                verdict.answer().name().toLowerCase(Locale.ROOT),
                verdict.reason());
    }

    /** A driver that was not asked yet. */
    static VerdictRow of(int order, MediatorInfo mediator) {
        return new VerdictRow(
                order, mediator.name(), mediator.ranking(), "not asked yet", "serves " + mediator.serves());
    }

    @Override
    public List<Cell> cells() {
        return List.of(
                Cell.number("order", order),
                Cell.text("mediator", mediator),
                Cell.number("ranking", ranking),
                Cell.text("answer", answer),
                Cell.text("reason", reason));
    }

    @Override
    public String part() {
        return mediator;
    }
}
