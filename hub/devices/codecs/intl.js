// Dates and numbers as people of a place write them, as in Node.js 20: the usual places, numbers only, every time zone.
// Anything else throws: a date that is right for another place or hour would be taken for a reading.
"use strict";
(function (host) {
    const NARROW = "\u202f", NO_BREAK = "\u00a0";
    // order and separator of a date, whether its day and month always have two digits · between date and time · 12 hours,
    // and how they are called · thousands, decimal
    const PLACES = {
        "en-US": { order: "mdy", separator: "/", wide: false, between: ", ", halves: ["AM", "PM"], thousands: ",", decimal: "." },
        "en-GB": { order: "dmy", separator: "/", wide: true, between: ", ", thousands: ",", decimal: "." },
        "en-CA": { order: "ymd", separator: "-", wide: true, between: ", ", halves: ["a.m.", "p.m."], thousands: ",", decimal: "." },
        fr: { order: "dmy", separator: "/", wide: true, between: " ", thousands: NARROW, decimal: "," },
        de: { order: "dmy", separator: ".", wide: false, between: ", ", thousands: ".", decimal: "," },
        sv: { order: "ymd", separator: "-", wide: true, between: " ", thousands: NO_BREAK, decimal: ",", minus: "\u2212" },
    };
    const NAMES = { "en-us": "en-US", en: "en-US", "en-gb": "en-GB", "en-ca": "en-CA", fr: "fr", "fr-fr": "fr", de: "de", "de-de": "de", sv: "sv", "sv-se": "sv" };
    Object.setPrototypeOf(NAMES, null);
    const DATE = ["year", "month", "day"], TIME = ["hour", "minute", "second"], BOTH = [...DATE, ...TIME];
    const FIELDS = { y: "year", m: "month", d: "day" };

    function refused(what) {
        return new RangeError(`the hub formats no ${what} for codecs: use Date's own methods, or give numbers`);
    }

    function placeOf(locales) {
        const asked = Array.isArray(locales) ? locales[0] : locales;
        const name = asked === undefined ? "en-US" : NAMES[String(asked).toLowerCase()];
        if (name === undefined) throw refused(`dates and numbers of ${asked}`);
        return { name: asked === undefined ? "en-US" : String(asked), ...PLACES[name] };
    }

    function oneOf(options, name, allowed) {
        const value = options[name];
        if (value !== undefined && !allowed.includes(String(value))) throw refused(`${name}: ${String(value)}`);
        return value === undefined ? undefined : String(value);
    }

    // -- dates ---------------------------------------------------------------------------------------------------

    const KNOWN = new Set([...BOTH, "timeZone", "hour12", "hourCycle", "localeMatcher", "formatMatcher", "calendar", "numberingSystem", "era", "timeZoneName"]);
    // Zones whose time has a name of its own in the United States; others are told by their distance.
    const NAMED = /^(?!Europe|Africa|Asia|Indian|Australia|Antarctica|Arctic|Etc|UTC|GMT)/;

    // `needs` is what must be there, `gives` what is added where nothing of it is asked for.
    function dates(locales, options, needs, gives) {
        const asked = options === undefined ? {} : Object(options);
        for (const name in asked) if (asked[name] !== undefined && !KNOWN.has(name)) throw refused(`dates with ${name}`);
        const place = placeOf(locales);
        const zone = asked.timeZone === undefined ? "UTC" : host("zone", String(asked.timeZone));
        if (zone === undefined) throw new RangeError("Invalid time zone specified: " + asked.timeZone);
        oneOf(asked, "calendar", ["gregory"]);
        oneOf(asked, "numberingSystem", ["latn"]);
        const era = oneOf(asked, "era", ["short"]), named = oneOf(asked, "timeZoneName", ["short"]);
        if ((era || named) && place.name !== "en-US") throw refused(`eras and names of time zones of ${place.name}`);
        if (named && NAMED.test(zone)) throw refused(`name of ${zone}`);
        const wanted = {};
        for (const name of BOTH) wanted[name] = oneOf(asked, name, ["numeric", "2-digit"]);
        const has = (names) => names.some((name) => wanted[name] !== undefined);
        if (!has(needs))
            for (const name of gives) wanted[name] = "numeric";
        if (has(DATE) && DATE.some((name) => wanted[name] === undefined)) throw refused("part of a date");
        if (has(TIME) && (wanted.hour === undefined || wanted.minute === undefined)) throw refused("part of a time");
        const cycle = oneOf(asked, "hourCycle", ["h12", "h23"]);
        const half = asked.hour12 === undefined ? (cycle ? cycle === "h12" : place.halves !== undefined) : !!asked.hour12;
        if (half && place.halves === undefined && has(TIME)) throw refused(`hours from 1 to 12 of ${place.name}`);
        if (has(TIME) && !place.halves && wanted.hour === "numeric" && (wanted.second === undefined || TIME.some((name) => wanted[name] !== "numeric")))
            throw refused(`hours of one digit of ${place.name}`);
        if ((era && !has(DATE)) || (named && !has(TIME))) throw refused("part of a date");
        return { place, zone, wanted, half, era, named, date: has(DATE), time: has(TIME), late: asked.hour12 !== undefined && !half && place.halves !== undefined };
    }

    const two = (number) => (number < 10 ? "0" : "") + number;

    function dateParts({ place, wanted }, local) {
        const values = { year: local.getUTCFullYear(), month: local.getUTCMonth() + 1, day: local.getUTCDate() };
        if (values.year < 1) throw refused("dates before the year 1");
        const wide = place.wide;
        if (wide && wanted.day !== wanted.month) throw refused(`dates of ${place.name} with a day and a month of different width`);
        return [...place.order].flatMap((letter, at) => {
            const type = FIELDS[letter], value = values[type];
            const text = type === "year"
                ? wanted.year === "2-digit" ? two(value % 100) : String(value)
                : wide || wanted[type] === "2-digit" ? two(value) : String(value);
            return at ? [{ type: "literal", value: place.separator }, { type, value: text }] : [{ type, value: text }];
        });
    }

    function timeParts({ place, wanted, half, late }, local) {
        const hour = local.getUTCHours();
        const shown = half ? hour % 12 || 12 : late && hour === 0 ? 24 : hour;
        const parts = [
            { type: "hour", value: wanted.hour === "2-digit" || !half ? two(shown) : String(shown) },
            { type: "literal", value: ":" },
            { type: "minute", value: two(local.getUTCMinutes()) },
        ];
        if (wanted.second !== undefined) parts.push({ type: "literal", value: ":" }, { type: "second", value: two(local.getUTCSeconds()) });
        if (half) parts.push({ type: "literal", value: NARROW }, { type: "dayPeriod", value: place.halves[hour < 12 ? 0 : 1] });
        return parts;
    }

    function distance(zone, offset) {
        if (offset === 0 && !/^(UTC|Europe\/London|Africa\/Abidjan)$/.test(zone)) throw refused(`name of ${zone}`);
        if (offset === 0) return zone === "UTC" ? "UTC" : "GMT";
        const minutes = Math.abs(offset) / 60;
        return "GMT" + (offset < 0 ? "-" : "+") + Math.floor(minutes / 60) + (minutes % 60 ? ":" + two(minutes % 60) : "");
    }

    function parts(format, time) {
        if (!(Math.abs(time) <= 8.64e15)) throw new RangeError("Invalid time value");
        const offset = format.zone === "UTC" ? 0 : host("offset", format.zone, time);
        const local = new Date(time + offset * 1000);
        return [
            ...(format.date ? dateParts(format, local) : []),
            ...(format.era ? [{ type: "literal", value: " " }, { type: "era", value: "AD" }] : []),
            ...(format.date && format.time ? [{ type: "literal", value: format.place.between }] : []),
            ...(format.time ? timeParts(format, local) : []),
            ...(format.named ? [{ type: "literal", value: " " }, { type: "timeZoneName", value: distance(format.zone, offset) }] : []),
        ];
    }

    const joined = (found) => found.map((part) => part.value).join("").replace(NARROW, " ");  // as Node.js tells them
    const moment = (value) => (value === undefined ? Date.now() : Number(value));

    class DateTimeFormat {
        #format;
        constructor(locales, options) { this.#format = dates(locales, options, BOTH, DATE); }
        get format() { return (value) => joined(parts(this.#format, moment(value))); }
        formatToParts(value) { return parts(this.#format, moment(value)); }
        resolvedOptions() {
            return { locale: this.#format.place.name, calendar: "gregory", numberingSystem: "latn", timeZone: this.#format.zone };
        }
    }

    function told(date, locales, options, needs, gives) {
        const time = Date.prototype.getTime.call(date);
        const format = dates(locales, options, needs, gives);
        return time !== time ? "Invalid Date" : joined(parts(format, time));
    }

    // -- numbers -------------------------------------------------------------------------------------------------

    const NUMBER = new Set(["minimumFractionDigits", "maximumFractionDigits", "minimumIntegerDigits", "useGrouping", "style", "localeMatcher", "numberingSystem", "notation"]);

    function digitsOf(options, name, low, high, missing) {
        const value = options[name];
        if (value === undefined) return missing;
        const number = Math.floor(Number(value));
        if (!(number >= low && number <= high)) throw new RangeError(name + " value is out of range.");
        return number;
    }

    function numbers(locales, options) {
        const asked = options === undefined ? {} : Object(options);
        for (const name in asked) if (asked[name] !== undefined && !NUMBER.has(name)) throw refused(`numbers with ${name}`);
        oneOf(asked, "style", ["decimal"]);
        oneOf(asked, "notation", ["standard"]);
        oneOf(asked, "numberingSystem", ["latn"]);
        const grouping = asked.useGrouping === undefined ? "true" : String(asked.useGrouping);
        if (!["true", "false", "auto", "always"].includes(grouping)) throw refused(`useGrouping: ${grouping}`);
        let least = digitsOf(asked, "minimumFractionDigits", 0, 20, undefined);
        let most = digitsOf(asked, "maximumFractionDigits", 0, 20, undefined);
        if (least !== undefined && most !== undefined && least > most) throw new RangeError("maximumFractionDigits value is out of range.");
        if (least === undefined) least = most === undefined ? 0 : Math.min(0, most);
        if (most === undefined) most = Math.max(3, least);
        return { place: placeOf(locales), least, most, integer: digitsOf(asked, "minimumIntegerDigits", 1, 21, 1), grouped: grouping !== "false" };
    }

    // Decimal digits before and after the point, of the shortest text that reads as the number, rounded half away from zero.
    function decimal(value, most) {
        const [mantissa, exponent] = String(value).replace(/^-/, "").split("e");
        let [before, after = ""] = mantissa.split(".");
        const shift = Number(exponent || 0);
        if (shift > 0) before += after.slice(0, shift).padEnd(shift, "0"), after = after.slice(shift);
        if (shift < 0) after = before.padStart(-shift, "0") + after, before = "0";
        if (after.length > most) {
            const up = after[most] >= "5";
            const kept = BigInt(before + after.slice(0, most)) + (up ? 1n : 0n);
            const text = String(kept).padStart(most + 1, "0");
            before = text.slice(0, text.length - most), after = text.slice(text.length - most);
        }
        return [before.replace(/^0+(?=\d)/, ""), after.replace(/0+$/, "")];
    }

    function number(format, value) {
        if (typeof value !== "bigint") value = Number(value);
        if (value !== value) return "NaN";
        const minus = value < 0 || Object.is(value, -0) ? format.place.minus || "-" : "";
        if (value === Infinity || value === -Infinity) return minus + "∞";
        let [before, after] = decimal(value, format.most);
        before = before.padStart(format.integer, "0");
        if (format.grouped) before = before.replace(/\B(?=(\d{3})+$)/g, format.place.thousands);
        after = after.padEnd(format.least, "0");
        return minus + before + (after && format.place.decimal + after);
    }

    class NumberFormat {
        #format;
        constructor(locales, options) { this.#format = numbers(locales, options); }
        get format() { return (value) => number(this.#format, value); }
        resolvedOptions() {
            const { place, least, most, integer } = this.#format;
            return { locale: place.name, numberingSystem: "latn", style: "decimal", minimumIntegerDigits: integer, minimumFractionDigits: least, maximumFractionDigits: most };
        }
    }

    // -- order ---------------------------------------------------------------------------------------------------

    const ORDER = " _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789abcdefghijklmnopqrstuvwxyz";

    function compared(one, other, locales, options) {
        if (options !== undefined) throw refused("comparisons with options");
        placeOf(locales);
        if (/[^ -~]/.test(one + other)) throw refused("comparisons of text beyond ASCII");
        for (let at = 0; at < one.length && at < other.length; at++) {
            const difference = ORDER.indexOf(one[at].toLowerCase()) - ORDER.indexOf(other[at].toLowerCase());
            if (difference) return Math.sign(difference);
        }
        if (one.length !== other.length) return Math.sign(one.length - other.length);
        for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return one[at] > other[at] ? -1 : 1;
        return 0;
    }

    const Callable = (Format) => new Proxy(Format, { apply: (_, __, given) => new Format(...given) });
    const Intl = { DateTimeFormat: Callable(DateTimeFormat), NumberFormat: Callable(NumberFormat) };
    for (const name of ["Collator", "DisplayNames", "DurationFormat", "ListFormat", "Locale", "PluralRules", "RelativeTimeFormat", "Segmenter", "getCanonicalLocales", "supportedValuesOf"])
        Intl[name] = function () { throw refused("Intl." + name); };

    return {
        Intl,
        dateTime: (date, locales, options) => told(date, locales, options, BOTH, BOTH),
        date: (date, locales, options) => told(date, locales, options, DATE, DATE),
        time: (date, locales, options) => told(date, locales, options, TIME, TIME),
        number: (value, locales, options) => number(numbers(locales, options), value),
        compared,
    };
})
