#include "oven.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr uint64_t minutes_per_day = 24 * 60;

std::string two_digits(uint64_t number) {
    return (number < 10 ? "0" : "") + std::to_string(number);
}

std::string clock(uint64_t minutes) {
    return two_digits(minutes / 60) + ":" + two_digits(minutes % 60);
}

std::string timetable(std::vector<oven_slot> slots) {
    std::stable_sort(slots.begin(), slots.end(), [](const oven_slot &a, const oven_slot &b) {
        return a.start < b.start;
    });

    std::string lines;
    for (const oven_slot &slot : slots) {
        const uint64_t end = uint64_t{slot.start} + slot.minutes;
        if (end > minutes_per_day) {
            throw std::out_of_range(std::string(slot.label) + " ends after midnight");
        }
        lines += clock(slot.start) + "-" + clock(end) + " " + slot.label + "\n";
    }
    return lines;
}

char *copy(const char *text) {
    const std::size_t size = std::strlen(text) + 1;
    void *memory = std::malloc(size);
    return memory ? static_cast<char *>(std::memcpy(memory, text, size)) : nullptr;
}

} // namespace

// No exception may leave: the caller is not C++.
extern "C" int oven_timetable(const oven_slot *slots, size_t count, char **text) {
    try {
        *text = copy(timetable(std::vector<oven_slot>(slots, slots + count)).c_str());
        return OVEN_OK;
    } catch (const std::exception &error) {
        *text = copy(error.what());
        return OVEN_FAILED;
    }
}

extern "C" void oven_free(char *text) {
    std::free(text);
}
