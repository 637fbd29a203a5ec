/* phrases.c - see phrases.h. Written for Cohort. When adding: read a line
 * aloud inside two openings, and keep a phrase true for everyone it can
 * meet (no spouse, child, faith, wealth or origin that no column states). */
#include "population/phrases.h"

#include <string.h>

// clang-format off
#define LIST(name) static const char *const name[]
#define ITEM(name) {name, co_countof(name)}
#define GIVE(name) (struct phrases){name, co_countof(name)}

LIST(open_infant) = {
    "{N}, not yet one year old, is the newest face at home in {C}, and {k}.",
    "{N} was born within the past year and is being raised in {C}; {h} {k}.",
    "In a home in {C}, the day turns around {N}, a baby who {k}.",
    "{N} is a baby in {C}, who {k}.",
    "Everyone at one address in {C}, now sleeps when {N} does: the baby is under a year old and {k}.",
};
LIST(open_toddler) = {
    "{N} is {y} in {C}, who {k}.",
    "At {A}, {N} of {C}, {k}.",
    "{N}, {A}, keeps a household in {C}, moving; {h} {k}.",
    "{^}{t} even at {A}, {N} of {C}, {k}.",
    "{N} is {A} and lives in {C}. These days {h} {k}.",
};
LIST(open_child) = {
    "{N} is {y} from {C}, who {k}.",
    "At {A}, {N} of {C}, {k}. {H} also {l}.",
    "{N}, {A}, is {T} child in {C}, who {k}.",
    "In {C}, {F} {L}, {A}, {k}; at home, {h} {l}.",
    "{N} lives in {C}, and has just turned {A} with plans to match. {H} {k}, and {l}.",
    "{N} of {C}, {t} already at {A}, {k}.",
    "{N} of {C}, is {A}; ask what matters, and the answer is that {h} {k}.",
};
LIST(open_teen) = {
    "{N} is {y} from {C}, who {k}.",
    "At {A}, {N} of {C}, {k}. {H} also {l}.",
    "{N}, {A}, is {T} teenager in {C}, who {k}, and {l}.",
    "Teachers in {C}, describe {N}, {A}, as {t}; {h} {k}.",
    "{^}{t} at {A}, {N} lives in {C}, where {h} {k}.",
    "{N} is {A} and lives in {C}. Most afternoons {h} {l}; given a free hour more, {h} {k}.",
};
LIST(open_teen_work) = {
    "{N} is {y} in {C}, with a job as {R}; {h} {w}, and {h} {k}.",
    "At {A}, {N} already works as {R} in {C}. {H} {w} and, between shifts, {k}.",
    "{N}, {A}, of {C}, earns a first paycheck as {R}. {H} {w}, and after hours {h} {k}.",
    "{^}{t} at {A}, {N} works shifts as {R} in {C}, and {w}.",
};
LIST(open_student) = {
    "{N} is {y} student in {C}, who {k}.",
    "At {A}, {N} is studying in {C}. {H} {k}, and {p}.",
    "{N}, {A}, {e} and is back in class in {C}; {h} {k}.",
    "{^}{t} and busy with coursework, {N}, {A}, lives in {C}, where {h} {k}.",
    "Classes set the week for {N}, {y} in {C}, who {k}. In between, {h} {p}.",
    "{N} of {C}, is {A} and a student first: {h} {k}, and when the work allows {h} {p}.",
};
LIST(open_employed) = {
    "{N} is {y} {r} in {C}, who {w}. Off the clock, {h} {p}.",
    "{^}{t} by nature, {N} works as {R} in {C}, and {w}. {^}{o}, {h} {p}.",
    "At {A}, {N} works as {R} in {C}. {H} {w}, and {o} {h} {p}.",
    "{N}, {A}, {e} and now works as {R} in {C}, where {h} {w}.",
    "In {C}, {N}, {A}, is the {r} who {w}; {o} {h} {p}.",
    "{M} and {t}, {N} is {y} {r} in {C}. {H} {w}, and {p}.",
    "{N} of {C}, is {T} {r}, {A} years old, who {w}.",
    "Colleagues call {N}, {A}, {t}. {^}{R} in {C}, {h} {w} and, {o}, {p}.",
    "{N}, {A}, earns a living in {C}, as {R}. {H} {p}, {q}, and on the job {w}.",
    "Ask around {c}, {S}, about {N} and people mention {T} {r} of {A} who {w}.",
    "{N} {w}. {H} is {y} {r} in {C}, and, {o}, {p}.",
    "For {N}, {A}, being {R} in {C}, is more than a paycheck: {h} {w}. {H} also {p}.",
    "{N}, {A}, {w}, which suits {T} {r} in {C}; {o} {h} {p}.",
};
LIST(open_armed) = {
    "{N}, {A}, serves in the armed forces and lives in {C}, where {h} {w}. Off duty, {h} {p}.",
    "{N} is {y} {r} in {C}, who {w}. On leave, {h} {p}.",
    "{^}{t} by nature, {N} serves in the military at {A} and calls {C}, home for now; {h} {w}.",
};
LIST(open_unemployed) = {
    "{N}, {A}, of {C}, last worked as {R} and is looking for the next job. {H} {k}, and {p}.",
    "Between jobs in {C}, {N}, {A}, {k}. {H} was {R} until recently and still {p}.",
    "{N} is {y} former {r} in {C}, who {k}. To keep the days in shape, {h} {p}.",
    "{^}{t} even in a long job search, {N}, {A}, of {C}, {k}; {i} last post was as {R}.",
    "{N} {e} and last worked as {R}. At {A}, {h} is looking for work in {C}, and {k}.",
};
LIST(open_retired) = {
    "{N}, {A}, is a retired {r} in {C}, who {k}.",
    "After a working life as {R}, {N}, {A}, is retired in {C}, and {k}. {H} also {p}.",
    "{^}{t} at {A}, retired {r} {N} lives in {C}, {p}, and {k}.",
    "{N} of {C}, put in {i} last shift as {R} some time ago; at {A}, {h} {k}.",
    "{M} and {t}, {N}, {A}, is a retired {r} in {C}. {H} {p}, and {q}.",
    "Retired from work as {R}, {N}, {A}, {k} in {C}. Most weeks {h} {p}.",
    "{N} {e} and spent {i} later career as {R}. Now {A} and retired in {C}, {h} {p}.",
};
LIST(open_outside) = {
    "{N}, {A}, is not in paid work at present and lives in {C}, where {h} {k}. {H} also {p}.",
    "{^}{t} by nature, {N} runs {i} days in {C}, without an employer: at {A}, {h} {k}, and {p}.",
    "{N} {e} and, at {A}, is outside the job market. In {C}, {h} {k}.",
    "{M} and {t}, {N} of {C}, is {A}. {H} holds no job just now, {k}, and {p}.",
    "No time clock rules the week of {N}, {y} in {C}, who {k}, and {p}.",
};
LIST(open_outside_old) = {
    "{N}, {A}, lives in {C}, where {h} {k}. {H} also {p}.",
    "{^}{t} at {A}, {N} of {C}, {p}, and {k}.",
    "{M} and {t}, {N} is {A} and lives in {C}. {H} {p}, {q}, and {k}.",
    "{N} {e}, long before {h} became, at {A}, a familiar face in {C}, who {k}.",
    "At {A}, {N} has {i} own pace in {C}: {h} {k}, and {p}.",
};

LIST(do_infant) = {
    "studies ceiling fans with great seriousness", "laughs at the sound of paper tearing",
    "naps only in motion", "has opinions about every new spoon", "grips fingers and does not let go",
    "wakes before the birds and expects company", "falls quiet for singing, in tune or not",
    "follows every light across the room", "saves the widest smiles for strangers in line",
    "treats bath time as a sport", "listens to the washing machine like a concert",
    "reaches for eyeglasses faster than anyone expects",
};
LIST(do_toddler) = {
    "lines up shoes by the door and checks them often", "answers most questions with one firm word",
    "stops every walk for dogs, puddles and manhole covers", "carries the same stuffed rabbit everywhere",
    "empties low cabinets with care", "dances to commercials", "has learned to climb before learning to wait",
    "names every truck that goes by", "wants the same book again, and then again",
    "hands out crackers to everyone in the room", "waves goodbye long after people have gone",
    "insists on doing the zipper alone", "runs everywhere, including to bed",
    "says good night to the moon and the mailbox",
};
LIST(do_preschool) = {
    "asks why at least once a minute", "draws people with very long arms", "has an imaginary friend with strict rules",
    "sorts buttons by color", "wears rain boots in all weather", "narrates the whole grocery trip aloud",
    "builds block towers meant to fall", "can name nine dinosaurs without a pause",
    "believes every cat is a friend in waiting", "tells jokes whose endings change",
    "is learning to write the letters of {i} name", "collects sticks of a certain size",
    "sings the alphabet at double speed", "puts bandages on things that are not hurt",
    "plants beans in paper cups and checks hourly", "negotiates bedtime like a contract",
};
LIST(do_child) = {
    "reads under the blanket past lights-out", "keeps a jar of interesting pebbles",
    "knows the bus route by heart and corrects the driver", "is learning long division with mixed feelings",
    "trades cards at lunch and keeps honest accounts", "builds cardboard machines that nearly work",
    "writes comics about a brave snail", "practices cartwheels on any patch of grass",
    "wants to know how bridges stay up", "feeds the neighbor's cat on schedule",
    "plays goalkeeper because somebody must", "spells hard words for fun",
    "keeps a weather chart on the refrigerator", "asks librarians for the biggest book on sharks",
    "is saving coins for a telescope", "rides a scooter to anywhere within two blocks",
    "hums while doing homework", "invents board games with generous rules",
    "swims as if someone were timing it", "helps in the kitchen and measures exactly",
    "catches frogs, then lets them go", "has a list of names for a dog not yet owned",
    "makes paper airplanes with notes inside", "reports every loose tooth in the class",
};
LIST(do_middle) = {
    "plays second trumpet and knows it will be first", "codes small games and hides jokes in them",
    "runs cross-country and talks the whole way", "has strong views on the best seat on the bus",
    "sketches shoes in the margins of every notebook", "edits short videos late into Sunday",
    "keeps a science project alive on the windowsill", "is reading a fantasy series out of order",
    "referees the little kids' games on Saturdays", "learns magic tricks from library books",
    "skateboards slowly and with great care", "debates any rule that lacks a reason",
    "bakes from memory, with mixed results", "tracks basketball statistics in a spiral notebook",
    "walks three neighborhood dogs for pocket money", "takes apart old radios",
    "writes letters to a pen pal", "is the one who reads the instructions",
    "practices free throws until dark", "sings in the school choir and denies it",
};
LIST(do_teen) = {
    "is counting down to a driver's license", "runs the lights for the school play",
    "takes more photographs than {h} shows anyone", "helps younger students with algebra",
    "plays bass in a band that changes its name monthly", "keeps a secret stack of poems",
    "swims the early practice before first bell", "rebuilds thrift-store bicycles",
    "argues politely on the debate team", "maps every bus line within reach",
    "can name the birds outside any classroom window", "draws a comic for the school paper",
    "babysits on the block and is always booked", "trains for the 800 meters",
    "is teaching {m}self guitar from videos", "volunteers at the animal shelter on weekends",
    "builds robots with more wire than plan", "cooks dinner on Thursdays",
    "reads history for fun and hides it well", "designs posters for every club",
    "stays up for meteor showers", "plays chess on the phone between classes",
    "knows the words to songs older than {i} teachers", "sews patches onto everything",
    "coaches the neighborhood's smallest soccer players",
};
LIST(do_student) = {
    "writes papers early and revises them late", "carries flash cards everywhere",
    "holds the same library table each week", "leads a study group that argues over snacks",
    "changed majors once and may again", "takes notes by hand in two colors",
    "rides the bus to class with one earbud in", "asks the question everyone else was holding back",
    "fits lab reports around a part-time schedule", "tutors classmates in statistics",
    "lives by a paper planner", "prints readings because screens tire the eyes",
    "sits in the front row without apology", "keeps a list of professors worth thanking",
    "naps between lectures and misses none", "studies best where there is noise",
    "tracks every deadline on one wall", "reads the footnotes first",
};
LIST(do_unemployed) = {
    "sends two careful applications a day", "keeps a notebook of every interview",
    "is brushing up old skills with evening courses", "calls former colleagues on Mondays",
    "rewrites a resume for each opening", "takes odd jobs while the search goes on",
    "gets up at the old hour anyway", "follows every lead within driving distance",
    "volunteers in the mornings and applies in the afternoons", "would rather wait than take the wrong post",
    "is open to a change of field", "practices interview answers on long walks",
};
LIST(do_retired) = {
    "has finally read the long novels", "keeps a workbench where nothing is urgent",
    "still wakes at the hour the job once demanded", "volunteers two mornings a week",
    "writes down family stories a page at a time", "plays cards every Wednesday for small stakes",
    "walks the same three miles before breakfast", "mentors younger people in the old trade",
    "grows more tomatoes than one street can eat", "fixes neighbors' small problems for free",
    "attends council meetings and takes notes", "is scanning forty years of photographs",
    "has learned to nap without guilt", "keeps up with former coworkers by postcard",
    "holds a standing table at the coffee shop", "tells the truth about the good old days",
    "sorts donations at the food pantry", "is learning a second language slowly",
    "travels by road map on principle", "checks the barometer twice a day",
};
LIST(do_outside) = {
    "keeps a household running on lists", "looks after people who need a steady hand",
    "volunteers where the sign-up sheet has gaps", "is taking time for {i} own health",
    "manages the family paperwork nobody else understands", "shares rides, meals and errands with neighbors",
    "is renovating one room at a time", "cooks for more people than live under one roof",
    "is thinking hard about what comes next", "helps out at the community garden",
    "keeps track of every appointment on one calendar", "makes a full day out of small duties",
};
LIST(do_outside_old) = {
    "knows three generations of neighbors by name", "keeps a garden that outlasts every forecast",
    "phones old friends on a fixed schedule", "cooks from memory and never writes it down",
    "looks after a small house with great order", "reads the paper front to back",
    "has a story for every street nearby", "mends clothes for half the block",
    "keeps birthdays that others forget", "sits on the porch and misses nothing",
    "feeds the birds and knows the regulars", "writes letters in a firm hand",
};

/* Those that cannot stand before a noun come last: TRAITS_PREDICATIVE. */
enum { TRAITS_PREDICATIVE = 9 };
LIST(trait) = {
    "patient", "dry-humored", "methodical", "curious", "unhurried", "plainspoken", "easygoing",
    "exacting", "restless", "soft-spoken", "even-tempered", "observant", "inventive", "loyal",
    "cheerful", "private", "competitive", "thrifty", "orderly", "practical", "talkative", "thoughtful",
    "independent", "self-reliant", "earnest", "attentive", "frank", "modest", "determined", "careful",
    "spirited", "steady", "open-minded", "precise", "tactful", "resourceful", "outspoken", "forgiving",
    "deliberate",
    "skeptical but fair", "good with names", "hard to rattle", "generous with time", "slow to anger",
    "quick to laugh", "early to everything", "warm and direct", "quietly stubborn",
};
LIST(off_time) = {
    "after work", "on days off", "on weekends", "in the evening", "away from the job", "when the shift ends",
    "outside working hours", "once the workday is done",
};
LIST(pastime_young) = {
    "plays pickup basketball until the lights go off", "is slowly paying off a used motorcycle",
    "hosts movie nights with strict voting rules", "goes dancing on Thursdays", "hunts for records in thrift stores",
    "trains for a first half marathon", "keeps houseplants alive against the odds", "climbs at an indoor wall",
    "plays online with friends from three time zones", "is learning to cook beyond noodles",
    "films skateboard tricks for friends", "keeps a running list of concerts to see",
    "sketches strangers on the bus", "plays in a weekend kickball league", "fixes up old game consoles",
    "bakes for every coworker's birthday", "camps whenever the forecast allows", "writes songs nobody has heard yet",
    "takes evening classes in pottery", "goes to open-mic nights and sometimes signs up",
};
LIST(pastime) = {
    "bakes bread on Sundays", "coaches a youth soccer team", "keeps bees behind the garage",
    "fishes with more patience than luck", "restores old furniture", "plays fiddle in a kitchen band",
    "follows minor-league baseball with real devotion", "runs before sunrise", "builds model railroads",
    "reads mysteries and guesses the ending", "cooks big pots of chili for friends", "sings in a community choir",
    "gardens in raised beds", "collects maps of places not yet visited", "plays softball in a league with no trophies",
    "volunteers with a literacy program", "takes long drives without a destination", "brews small batches of beer",
    "hikes with an old dog", "does crosswords in pen", "watches birds from the back step", "quilts in the winter",
    "plays chess by mail", "fixes bicycles for the neighborhood", "organizes the block's potluck",
    "bowls on Tuesday nights", "photographs old signs", "tends a smoker every holiday weekend",
    "studies family history", "paddles a secondhand canoe", "swims laps at the public pool",
    "hosts a monthly card game", "reads aloud at the library's story hour", "writes letters to the editor",
    "carves spoons", "plays trivia and keeps the score honest", "tinkers with an aging pickup",
    "learns one new recipe a month", "keeps a vegetable stand with an honor box", "goes to every free concert in the park",
    "plays old records after supper", "knits through long meetings", "refinishes floors, one room a year",
    "stargazes with a borrowed telescope", "walks the farmers market without a list", "takes a watercolor class",
    "rides a bicycle to save the parking fee", "lifts weights at a gym with no mirrors",
    "teaches friends to drive stick", "serves on the neighborhood board",
};
LIST(pastime_old) = {
    "does the crossword before breakfast", "listens to ball games on the radio", "grows tomatoes and gives most away",
    "plays bridge every other week", "keeps a diary of the weather", "reads large-print westerns",
    "bakes pies for every fund-raiser", "watches birds with a notebook at hand", "takes a short walk morning and evening",
    "writes to old friends by hand", "follows the local high school's games", "works jigsaw puzzles by the window",
    "listens to big-band and gospel records", "tends African violets", "plays dominoes at the senior center",
    "attends every library lecture", "knits caps for newborns at the hospital", "repairs clocks",
    "keeps a coin collection in good order", "shells peas on the porch", "sorts photographs into albums",
    "sings along with the radio", "plays checkers for bragging rights", "clips recipes and tries a few",
    "naps after lunch and stays up for old movies", "swaps paperbacks with neighbors",
};

LIST(work_manage) = {
    "runs short meetings and long walks through the floor", "answers for the budget and signs nothing unread",
    "remembers what it was like to be the new hire", "keeps a spare hour in every schedule",
    "would rather promote from within", "settles disputes before lunch", "knows every regular and every supplier",
    "tracks three numbers and ignores the rest", "has turned around a team that others had given up on",
    "keeps the door open and the calendar tight",
};
LIST(work_business) = {
    "reads contracts for what they leave out", "turns messy spreadsheets into one clear page",
    "catches rounding errors from across the room", "explains numbers without talking down",
    "keeps month-end calm", "asks for the receipt, kindly", "builds estimates that hold",
    "writes memos people finish reading", "plans for the bad quarter in the good one",
    "has a reputation for returning calls the same day",
};
LIST(work_computer) = {
    "reads old code with respect and deletes it with joy", "writes the documentation others skip",
    "is the one called when the network goes quiet", "automates whatever has to be done twice",
    "draws systems on paper before touching a keyboard", "keeps a list of bugs solved by sleeping on them",
    "asks what problem the feature is for", "tests on the slowest machine in the building",
    "explains outages in plain English", "keeps backups of the backups",
};
LIST(work_engineer) = {
    "checks the drawing against the thing itself", "carries a tape measure on weekends too",
    "designs for the person who will repair it", "trusts a test more than a model",
    "keeps failed parts on the shelf as teachers", "asks what happens when the power goes out",
    "sketches on napkins and dates them", "argues for the extra bolt", "visits the site before the kickoff",
    "writes tolerances that shops can meet",
};
LIST(work_science) = {
    "labels everything twice", "repeats the result before believing it", "keeps field notes in pencil",
    "likes the odd data point best", "teaches the new people to calibrate first",
    "can talk about samples for an hour", "reads the methods section before the abstract",
    "keeps a log that others can follow", "waits for the right weather and the right instrument",
    "says so when the evidence is thin",
};
LIST(work_community) = {
    "listens longer than the appointment allows", "knows which form opens which door",
    "remembers people's stories from year to year", "keeps granola bars in the desk for visitors",
    "makes the hard phone call first", "celebrates small steps out loud",
    "shows up on evenings that nobody pays for", "fights for clients and stays polite about it",
    "has learned when silence helps", "keeps a wall of thank-you cards in a drawer",
};
LIST(work_legal) = {
    "reads the footnotes before the argument", "drafts in plain words", "keeps the file in perfect order",
    "prepares for the question nobody has asked", "gives clients the bad news early",
    "knows the clerks by first name", "prefers a fair settlement to a loud win",
    "carries three pens and one yellow pad", "checks every citation twice", "argues the other side for practice",
};
LIST(work_teach) = {
    "learns every student's name in the first week", "grades with a green pen",
    "keeps a shelf of books to give away", "explains a thing five ways if four do not work",
    "stays late for the ones who will not ask", "turns wrong answers into good questions",
    "begins each class with a puzzle", "knows when a room needs to laugh",
    "writes notes home about good days too", "rebuilds the lesson plan every summer",
};
LIST(work_arts) = {
    "carries a notebook and fills it in public", "throws out the first draft every time",
    "works best against a deadline", "keeps regular hours whatever the muse does",
    "takes criticism better than praise", "hides a small joke in every project",
    "knows what to leave out", "practices the dull parts longest",
    "studies how light falls in ordinary rooms", "has learned to invoice on time",
};
LIST(work_health) = {
    "explains each step before it happens", "warms cold hands and instruments first",
    "remembers the names of patients' dogs", "stays calm when the monitors do not",
    "checks the chart, then the person", "covers holidays without complaint",
    "tells families the truth gently", "trains newcomers with patience",
    "washes up like a surgeon even at home", "can tell a bad night from the doorway",
    "writes notes that the next shift can use",
};
LIST(work_protect) = {
    "talks before raising {i} voice", "checks the gear at the start of every shift",
    "knows the back streets better than the map", "writes reports that hold up",
    "drills until it is dull", "keeps a steady tone on the radio", "notices exits in every room",
    "visits schools to explain the job", "takes the night shift and keeps it quiet",
    "treats the tenth call like the first",
};
LIST(work_food) = {
    "keeps the line moving and the jokes coming", "knows forty regulars by their orders",
    "tastes everything twice", "sharpens knives as a form of meditation", "leaves the station cleaner than it was",
    "can carry four plates and a conversation", "never lets a table wait for water",
    "feeds the crew first on long nights", "works doubles in the busy season",
    "guards one secret recipe and shares the rest",
};
LIST(work_grounds) = {
    "knows every closet and key in the building", "leaves rooms better than they were found",
    "reads the weather before the work order", "keeps tools clean and blades sharp",
    "starts before anyone else is in", "spots a leak by the sound of it",
    "takes pride in clean edges", "does the job right when no one checks",
    "has a system for every floor", "leaves every gate the way it was",
};
LIST(work_service) = {
    "makes nervous people feel expected", "remembers small preferences for years",
    "keeps a calm corner for hard days", "hears more secrets than a diary and keeps them",
    "turns first visits into habits", "runs on time and never rushes anyone",
    "knows how to end a story politely", "brings spare everything, just in case",
    "reads a room in seconds", "learns a few words of every customer's language",
};
LIST(work_sales) = {
    "tells people when they do not need it", "knows the stockroom blindfolded",
    "follows up when promised", "listens for what the customer does not say",
    "keeps a handwritten list of special orders", "wins the slow months",
    "can find the right size at a glance", "handles returns with good grace",
    "would rather lose a sale than a customer", "sets up displays that people photograph",
};
LIST(work_office) = {
    "keeps the calendar from falling apart", "answers the phone by the second ring",
    "knows who to ask and how", "files things where others can find them",
    "catches the typo in the final version", "smooths out schedules that do not fit",
    "keeps a drawer of everything anyone has ever needed", "types faster than people talk",
    "remembers which copier lies", "closes every ticket with a kind line",
};
LIST(work_farm) = {
    "reads the sky better than the app", "is up before the light", "knows each field by its bad corner",
    "fixes fences with what is on the truck", "keeps records in a pocket notebook",
    "worries about water first", "can judge a season by its smell", "works by daylight, not by the clock",
    "respects machinery and weather in equal measure", "shares equipment up and down the road",
};
LIST(work_build) = {
    "measures twice out of habit", "can see the finished room in bare studs",
    "keeps the site swept", "reads plans faster than most read mail", "teaches apprentices to lift with their legs",
    "shows up early and in any weather", "points out buildings {h} worked on",
    "hates a crooked line", "owns one level older than the crew", "finishes what other crews left",
};
LIST(work_repair) = {
    "diagnoses by sound first", "fixes the cause and not the symptom", "keeps a coffee can of rare bolts",
    "shows customers the broken part", "hates to throw away a motor", "labels every wire",
    "has a tool for that, somewhere", "answers calls from friends of friends",
    "takes notes in grease pencil", "tests it once more before leaving",
};
LIST(work_make) = {
    "can hear when a machine is about to jam", "keeps scrap under one percent",
    "sets up the line by feel and checks by gauge", "trains new people on the loud machines",
    "has not missed a shift in years", "stops the line when something is off",
    "writes suggestions that save money", "knows the plant's oldest machine best",
    "takes safety glasses seriously", "signs off only on good work",
};
LIST(work_transport) = {
    "knows where every good rest stop is", "plans routes around school buses",
    "keeps the cab spotless", "never uses the horn in anger",
    "calls ahead when running late", "has a perfect record and mentions it rarely",
    "listens to long audiobooks on the way", "knows which streets flood first",
    "can back into anything", "gives good directions to strangers",
};
LIST(work_move) = {
    "keeps things moving when the day backs up", "knows where everything is without looking it up",
    "checks the count before signing", "calls ahead when running late", "trains newcomers by example",
    "has a good word for the night crew", "reads the schedule like a weather map",
    "takes the heavy end without being asked", "stays calm through the holiday rush",
    "keeps a clean station and a sharp pencil",
};
LIST(work_armed) = {
    "keeps gear squared away and jokes dry", "writes home every week", "trains harder than the schedule asks",
    "looks out for the newest in the unit", "is known for steady nerves", "studies for the next rank at night",
    "can sleep anywhere", "counts the days only when asked",
};
LIST(work_teen) = {
    "picks up weekend shifts without being asked", "is quicker on the register than the manager",
    "saves half of every check", "is learning to handle a rush", "shows up ten minutes early",
    "swaps shifts around exams", "asks good questions and writes down the answers",
    "has learned to smile at impatient people",
};

LIST(family) = {
    "that tells its history at long Sunday tables", "in which thrift was a point of honor",
    "where everyone was expected to cook one good dish", "that measures success in finished schooling",
    "where the door was rarely locked and the coffee never off", "that moved for work more than once",
    "in which the oldest stories belong to the grandmothers", "where music came before homework and after it",
    "that keeps its photographs in shoeboxes and its promises in public", "where hard work needed no speeches",
    "that argues loudly and makes up by dinner", "in which letters from relatives were read aloud",
    "where holidays meant folding chairs from three houses", "that has its own word for almost everything",
    "in which nobody left the table before the last story", "that trusts neighbors and checks the locks",
    "where cousins count as brothers and sisters", "that saved string, jars and stories",
    "in which being on time was a form of love", "where the television was off during meals",
    "that put books on layaway", "in which someone was always fixing something",
    "where new babies were named after old relatives", "that laughs at funerals and cries at weddings",
    "in which Saturday chores came with the radio", "where guests were fed before they were asked anything",
    "that holds reunions with printed shirts", "in which the good dishes were actually used",
    "where disagreements ended with a walk around the block", "that remembers debts and favors alike",
    "in which every child learned to swim and to save", "where the garden was everyone's job",
};
LIST(background_adult) = {
    "Born in {B}, {F} comes from {G} {f}. {^}{x} and {z} are part of {i} idea of {S}.",
    "{F} comes from {G} {f}; {h} belongs to a generation shaped by {g}, and home is now {c}, {S}.",
    "{F} comes from {G} {f}. {H} was formed by {g} and, {O}, by {x}.",
    "{^}{g}: that is the common memory of people born around {B}, {F} among them. {H} comes from {G} {f}, and now has {x} within reach.",
    "In {c}, {S}, {F} lives close to {x}; {i} manners come from {G} {f}.",
    "{F} was raised in {G} {f}, in the years of {g}. Life {O} suits {m}, down to {x}.",
    "To {F}, {S} means {x} and {z}. The rest {h} owes to {G} {f}.",
    "The people who raised {F} were {G} {f}. Born in {B}, {h} still connects those years with {g}.",
    "Life in {c}, {S}, has taught {F} to value {x}. {H} comes from {G} {f}, and keeps some of its ways.",
    "{F}, born in {B}, carries the habits of {G} {f}; {O}, {h} has made room beside them for {x} and {z}.",
    "Two things explain {F}: {G} {f}, and an upbringing in the age of {g}. {^}{x}, here in {S}, came into the mix along the way.",
};
LIST(background_child) = {
    "{F} is growing up in {G} {f}. {^}{x} and {z} belong to {i} picture of {S}.",
    "Born in {B}, {F} belongs to {G} {f}, and takes {g} for granted.",
    "In {c}, {S}, {F} is part of {G} {f}; {x} and {z} are never far away.",
    "{F} is a child of the age of {g}, raised in {G} {f}. The world as {h} knows it lies {O}.",
    "To {F}, {S} is {x} and {z}; home is {G} {f}.",
    "The household around {F} is {G} {f}. Born in {B}, {h} will remember {g} as ordinary things.",
};

LIST(cohort_1919) = {"radio serials and ration books", "party-line telephones and war bonds", "streetcars and the long shadow of the Depression", "victory gardens and letters from overseas"};
LIST(cohort_1928) = {"wartime scrap drives and Saturday serials", "iceboxes and the first television set on the block", "big-band dances and Korea", "one-room schools and new highways"};
LIST(cohort_1936) = {"sock hops and drive-in movies", "school polio shots and tail fins", "early rock and roll on the jukebox", "black-and-white television and the space race"};
LIST(cohort_1946) = {"transistor radios and the moon landing", "draft numbers and folk songs", "new suburbs and crowded classrooms", "marches, assassinations and the Beatles"};
LIST(cohort_1955) = {"gas lines and eight-track tapes", "Watergate hearings and disco", "Saturday cartoons and the end of the draft", "bicentennial quarters and CB radio"};
LIST(cohort_1965) = {"arcade tokens and mixtapes", "latchkeys and music videos", "the Challenger broadcast and the fall of the Wall", "the first home computers and cordless phones"};
LIST(cohort_1977) = {"dial-up tones and pagers", "grunge, flannel and the first chat rooms", "compact discs and the turn of the millennium", "burned CDs and the morning of September 11"};
LIST(cohort_1988) = {"flip phones and the Great Recession", "instant messages and early social networks", "fantasy novels at midnight and student loans", "downloaded songs and shared online albums"};
LIST(cohort_1997) = {"smartphones in every pocket", "school lockdown drills and streaming series", "group chats and short videos", "online games and gig work"};
LIST(cohort_2008) = {"tablets and video calls", "voice assistants and streaming cartoons", "touch screens in the grocery cart", "online videos about everything"};

static const struct phrase_state states[] = {
    {"AK", "in the far North", {"long summer light", "floatplanes over the harbor", "snow-covered ranges", "northern lights"}},
    {"AL", "in the Deep South", {"red-clay roads", "Friday-night football", "slow rivers", "Gulf breezes"}},
    {"AR", "between the Ozarks and the Delta", {"limestone hills", "the Arkansas River", "duck season", "front-porch evenings"}},
    {"AZ", "in the desert Southwest", {"saguaro hillsides", "summer monsoons", "dry heat before noon", "red-rock canyons"}},
    {"CA", "on the Pacific coast", {"morning fog", "golden hills", "taco trucks", "long beaches"}},
    {"CO", "in the Rocky Mountain West", {"afternoon thunderstorms", "peaks on the western horizon", "bright dry winters", "crowded trailheads"}},
    {"CT", "in southern New England", {"stone walls", "commuter trains", "Long Island Sound", "maple streets in October"}},
    {"DC", "in the capital", {"marble steps", "cherry trees along the water", "go-go music", "museum afternoons"}},
    {"DE", "in the Delaware shore country", {"beach traffic in July", "brick main streets", "salt marshes", "short drives to three states"}},
    {"FL", "on the Florida peninsula", {"afternoon downpours", "hurricane shutters", "mangrove islands", "sea air"}},
    {"GA", "in the Peach State", {"pine pollen in April", "peach stands", "kudzu on the fences", "small-town ball fields"}},
    {"HI", "in the islands", {"trade winds", "plate lunches", "green ridges above the sea", "surf reports"}},
    {"IA", "in the corn country", {"county fairs", "gravel roads in straight lines", "river bluffs", "big skies"}},
    {"ID", "in the inland Northwest", {"sagebrush plains", "the Snake River", "potato harvests", "mountain lakes"}},
    {"IL", "in the prairie Midwest", {"lake-effect wind", "grain elevators", "deep-dish arguments", "freight trains"}},
    {"IN", "in the heart of the Midwest", {"high school gyms", "limestone quarries", "cornfields at dusk", "race weekends in May"}},
    {"KS", "on the Great Plains", {"tallgrass prairie", "wheat harvests", "tornado sirens", "the Flint Hills"}},
    {"KY", "in the Kentucky hills and bluegrass", {"horse fences", "limestone creeks", "basketball season", "Appalachian foothills"}},
    {"LA", "in the river and bayou country", {"parade season", "cypress swamps", "crawfish boils", "river levees"}},
    {"MA", "in the Bay State", {"harbor fog", "triple-deckers", "town meetings", "cranberry bogs"}},
    {"MD", "in the Chesapeake country", {"crab feasts", "tidewater creeks", "brick row houses", "the Bay Bridge in summer"}},
    {"ME", "in down-east New England", {"lobster boats", "spruce woods", "mud season", "rocky coves"}},
    {"MI", "in the Great Lakes country", {"lake cabins", "auto plants", "cherry orchards", "deep snow"}},
    {"MN", "in the lake country", {"ice-fishing houses", "hot-dish suppers", "loons at dusk", "hockey rinks"}},
    {"MO", "in the middle of the map", {"river bluffs", "barbecue smoke", "Ozark springs", "baseball summers"}},
    {"MS", "between the Delta and the pine belt", {"cotton fields", "blues clubs", "catfish suppers", "slow brown rivers"}},
    {"MT", "in big-sky country", {"trout streams", "cattle gates", "long highways", "mountain snow in June"}},
    {"NC", "between the Blue Ridge and the Outer Banks", {"barbecue debates", "the Blue Ridge in October", "tobacco barns", "Outer Banks summers"}},
    {"ND", "on the northern plains", {"sunflower fields", "badlands trails", "prairie wind", "snow fences"}},
    {"NE", "in the Platte River country", {"sandhill cranes", "cattle pastures", "Saturday football", "the Sandhills"}},
    {"NH", "in the granite country", {"maple syrup season", "mountain notches", "town halls", "covered bridges"}},
    {"NJ", "in the Garden State", {"diner booths", "boardwalk summers", "turnpike exits", "tomato stands"}},
    {"NM", "in the high desert", {"roasting green chile", "adobe walls", "mesas at sunset", "piñon smoke"}},
    {"NV", "in the Great Basin", {"neon on the horizon", "sagebrush valleys", "dry lake beds", "all-night diners"}},
    {"NY", "in the Empire State", {"corner stores", "Hudson Valley apples", "old brick downtowns", "Adirondack lakes"}},
    {"OH", "between the Ohio River and Lake Erie", {"Friday fish fries", "river towns", "backyard hoops", "Lake Erie storms"}},
    {"OK", "on the southern plains", {"red dirt", "storm cellars", "oil pumps on the horizon", "wide pastures"}},
    {"OR", "in the Pacific Northwest", {"steady drizzle", "Douglas firs", "farmers markets", "cold beaches"}},
    {"PA", "between the Delaware and the Alleghenies", {"fire-hall suppers", "stone barns", "steel bridges", "deer season"}},
    {"RI", "in the Ocean State", {"coffee milk", "harbor islands", "mill buildings", "clam shacks"}},
    {"SC", "between the Lowcountry and the upstate", {"live oaks", "shrimp boats", "peach orchards", "humid evenings"}},
    {"SD", "on the Dakota plains", {"the Black Hills", "pheasant season", "prairie towns", "Missouri River breaks"}},
    {"TN", "in the Tennessee valleys", {"songwriters' nights", "Smoky Mountain haze", "river barges", "hot chicken"}},
    {"TX", "in Texas", {"Hill Country bluebonnets", "breakfast tacos", "wide-open highways", "Friday-night lights"}},
    {"UT", "in the Wasatch country", {"salt flats", "canyon trails", "powder mornings", "red-rock parks"}},
    {"VA", "in the Old Dominion", {"Blue Ridge overlooks", "ham biscuits", "tidewater rivers", "battlefield markers"}},
    {"VT", "in the Green Mountain country", {"dirt roads", "dairy barns", "sugarhouses in March", "general stores"}},
    {"WA", "between Puget Sound and the dry side of the mountains", {"ferry lines", "apple orchards", "volcanoes on clear days", "gray winters"}},
    {"WI", "in the dairy country", {"supper clubs", "cheese curds", "frozen lakes", "Packers Sundays"}},
    {"WV", "in the Appalachian hills", {"winding hollows", "ramp suppers", "coal trains", "front-porch fiddles"}},
    {"WY", "on the high plains", {"antelope along the highway", "rodeo summers", "wind that never quits", "geyser country"}},
};
// clang-format on

struct phrases
phrases_opening(enum phrase_stage stage)
{
    static const struct phrases all[STAGE_COUNT] = {
        [STAGE_INFANT] = ITEM(open_infant),
        [STAGE_TODDLER] = ITEM(open_toddler),
        [STAGE_PRESCHOOL] = ITEM(open_child),
        [STAGE_CHILD] = ITEM(open_child),
        [STAGE_MIDDLE] = ITEM(open_child),
        [STAGE_TEEN] = ITEM(open_teen),
        [STAGE_TEEN_WORK] = ITEM(open_teen_work),
        [STAGE_STUDENT] = ITEM(open_student),
        [STAGE_EMPLOYED] = ITEM(open_employed),
        [STAGE_ARMED] = ITEM(open_armed),
        [STAGE_UNEMPLOYED] = ITEM(open_unemployed),
        [STAGE_RETIRED] = ITEM(open_retired),
        [STAGE_OUTSIDE] = ITEM(open_outside),
        [STAGE_OUTSIDE_OLD] = ITEM(open_outside_old),
    };

    return all[stage];
}

struct phrases
phrases_stage(enum phrase_stage stage)
{
    static const struct phrases all[STAGE_COUNT] = {
        [STAGE_INFANT] = ITEM(do_infant),
        [STAGE_TODDLER] = ITEM(do_toddler),
        [STAGE_PRESCHOOL] = ITEM(do_preschool),
        [STAGE_CHILD] = ITEM(do_child),
        [STAGE_MIDDLE] = ITEM(do_middle),
        [STAGE_TEEN] = ITEM(do_teen),
        [STAGE_TEEN_WORK] = ITEM(do_teen),
        [STAGE_STUDENT] = ITEM(do_student),
        [STAGE_EMPLOYED] = ITEM(pastime),
        [STAGE_ARMED] = ITEM(pastime),
        [STAGE_UNEMPLOYED] = ITEM(do_unemployed),
        [STAGE_RETIRED] = ITEM(do_retired),
        [STAGE_OUTSIDE] = ITEM(do_outside),
        [STAGE_OUTSIDE_OLD] = ITEM(do_outside_old),
    };

    return all[stage];
}

struct phrases
phrases_work(enum phrase_field field)
{
    static const struct phrases all[FIELD_COUNT] = {
        [FIELD_MANAGE] = ITEM(work_manage),
        [FIELD_BUSINESS] = ITEM(work_business),
        [FIELD_COMPUTER] = ITEM(work_computer),
        [FIELD_ENGINEER] = ITEM(work_engineer),
        [FIELD_SCIENCE] = ITEM(work_science),
        [FIELD_COMMUNITY] = ITEM(work_community),
        [FIELD_LEGAL] = ITEM(work_legal),
        [FIELD_TEACH] = ITEM(work_teach),
        [FIELD_ARTS] = ITEM(work_arts),
        [FIELD_HEALTH] = ITEM(work_health),
        [FIELD_PROTECT] = ITEM(work_protect),
        [FIELD_FOOD] = ITEM(work_food),
        [FIELD_GROUNDS] = ITEM(work_grounds),
        [FIELD_SERVICE] = ITEM(work_service),
        [FIELD_SALES] = ITEM(work_sales),
        [FIELD_OFFICE] = ITEM(work_office),
        [FIELD_FARM] = ITEM(work_farm),
        [FIELD_BUILD] = ITEM(work_build),
        [FIELD_REPAIR] = ITEM(work_repair),
        [FIELD_MAKE] = ITEM(work_make),
        [FIELD_TRANSPORT] = ITEM(work_transport),
        [FIELD_MOVE] = ITEM(work_move),
        [FIELD_ARMED] = ITEM(work_armed),
    };

    return field == FIELD_COUNT ? GIVE(work_teen) : all[field];
}

/* The last group (1-based, ACS B24010 leaf order) of each field's run. */
enum phrase_field
phrases_field_of(uint32_t group)
{
    static const struct {
        uint8_t last, field;
    } runs[] = {
        {5, FIELD_MANAGE},    {6, FIELD_FARM},        {7, FIELD_MANAGE},
        {11, FIELD_BUSINESS}, {16, FIELD_COMPUTER},   {19, FIELD_ENGINEER},
        {22, FIELD_SCIENCE},  {24, FIELD_COMMUNITY},  {27, FIELD_LEGAL},
        {34, FIELD_TEACH},    {37, FIELD_ARTS},       {46, FIELD_HEALTH},
        {52, FIELD_PROTECT},  {57, FIELD_FOOD},       {61, FIELD_GROUNDS},
        {66, FIELD_SERVICE},  {73, FIELD_SALES},      {79, FIELD_OFFICE},
        {80, FIELD_MOVE},     {82, FIELD_OFFICE},     {85, FIELD_FARM},
        {94, FIELD_BUILD},    {97, FIELD_REPAIR},     {106, FIELD_MAKE},
        {109, FIELD_MOVE},    {112, FIELD_TRANSPORT},
    };

    for (size_t i = 0; i < co_countof(runs); i++) {
        if (group < runs[i].last) return (enum phrase_field)runs[i].field;
    }
    return FIELD_MOVE;
}

struct phrases
phrases_pastime(uint32_t age)
{
    if (age < 18) return GIVE(do_teen);
    if (age < 28) return GIVE(pastime_young);
    return age < 72 ? GIVE(pastime) : GIVE(pastime_old);
}

struct phrases
phrases_trait(bool before_noun)
{
    struct phrases all = GIVE(trait);

    if (before_noun) all.count -= TRAITS_PREDICATIVE;
    return all;
}

struct phrases
phrases_off_time(void)
{
    return GIVE(off_time);
}

struct phrases
phrases_family(void)
{
    return GIVE(family);
}

struct phrases
phrases_cohort(uint32_t birth_year)
{
    static const uint32_t first[PHRASE_COHORTS] = {
        0, 1928, 1936, 1946, 1955, 1965, 1977, 1988, 1997, 2008};
    static const struct phrases all[PHRASE_COHORTS] = {
        ITEM(cohort_1919), ITEM(cohort_1928), ITEM(cohort_1936),
        ITEM(cohort_1946), ITEM(cohort_1955), ITEM(cohort_1965),
        ITEM(cohort_1977), ITEM(cohort_1988), ITEM(cohort_1997),
        ITEM(cohort_2008)};
    size_t k = 0;

    while (k + 1 < PHRASE_COHORTS && first[k + 1] <= birth_year) {
        k++;
    }
    return all[k];
}

struct phrases
phrases_background(bool child)
{
    return child ? GIVE(background_child) : GIVE(background_adult);
}

const struct phrase_state *
phrases_state(const char *code, size_t len)
{
    for (size_t i = 0; i < co_countof(states); i++) {
        if (strlen(states[i].code) == len &&
            memcmp(states[i].code, code, len) == 0) {
            return &states[i];
        }
    }
    return NULL;
}
