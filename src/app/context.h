/* SPDX-License-Identifier: MIT */
/*
 * Private to src/app: the application's state, what one request's middlewares share, and
 * what a row of the route table says beyond method and pattern.
 */
#ifndef SLIDECACHE_CONTEXT_H
#define SLIDECACHE_CONTEXT_H

#include "slidecache/access.h"
#include "slidecache/acl.h"
#include "slidecache/app.h"
#include "slidecache/cache.h"
#include "slidecache/catalogue.h"
#include "slidecache/json.h"
#include "slidecache/render.h"
#include "slidecache/version.h"

struct sc_app {
	const struct sc_conf *conf;
	enum sc_app_use use;
	struct sc_slide_root *root;
	struct sc_catalogue *catalogue;
	struct sc_access *access;
	struct sc_acl *acl;
	struct sc_signer *signer;      /* NULL until a signed URL comes; see signed.c */
	int64_t signer_quiet_until_us; /* monotonic: its errors are logged no sooner */
	struct sc_renderer *renderer;
	struct sc_cache *caches[SC_CONF_CACHES]; /* NULL while it cannot be opened */
	struct sc_versions *versions;		 /* NULL while it cannot be opened */
	bool versions_remote;			 /* asked of a server */
	int64_t retry_at_us;			 /* monotonic: when to open those again */
	/* Their options are wrong: opening them again would only fail again. */
	bool cache_refused[SC_CONF_CACHES];
	bool versions_refused;
	int64_t quiet_until_us; /* monotonic: the version store's errors are logged
				   no sooner */
	int64_t strangers_quiet_until_us; /* monotonic: see audit.h */
	struct sc_version_memo *memo;	  /* see expect.c */
	bool sweep_due;			  /* versions changed: see orphans.c */
	bool changed;			  /* by this process */
	int64_t sweep_at_us;		  /* monotonic: for others' changes not before */
	struct sc_jobs *jobs;		  /* NULL until somebody asks; see job_table.c */
	int64_t jobs_retry_us;		  /* monotonic: when to open them again */
};

/* The kinds of cached results that versions are named after, then the image's own. */
enum { SC_V_TILES, SC_V_THUMBNAILS, SC_V_SLIDES, SC_V_IMAGE, SC_V_COUNT };

/* The versions that are current for a request. A kind that is not versioned has its name
 * and the version "". */
struct sc_cache_versions {
	bool known; /* false: they cannot be read: no cache may be used */
	size_t n;
	uint64_t epoch; /* a hash of the items; 0 while they are not known */
	/* Of the versioned cache "acl", read along while there is an acl_file; "" while
	 * it is not known or not versioned. Not an item: who may see a tile is not what
	 * it looks like. */
	char acl[SC_VERSION_LEN + 1];
	struct sc_version
		items[SC_V_COUNT]; /* by SC_V_...; SC_V_IMAGE only with an image */
};

/* What happened to the cache, for X-Cache and Cache-Status. */
enum sc_cache_result { SC_X_NONE, SC_X_HIT, SC_X_MISS, SC_X_SHARED, SC_X_BYPASS };

/* Whether it is looked at who asks: never, now, or when it turns out that it matters. */
enum sc_asked { SC_ASKED_NEVER, SC_ASKED_NOW, SC_ASKED_LATER };

/* What a request's URL says of who may read; see signed.c. */
enum sc_signed { SC_SIGNED_UNKNOWN, SC_SIGNED_NOT, SC_SIGNED_GOOD, SC_SIGNED_BAD };

struct sc_context {
	struct sc_app *app;
	int64_t start_us;	     /* monotonic */
	struct sc_caller caller;     /* who asks, as far as a right depends on it */
	enum sc_asked asked;	     /* SC_ASKED_LATER: caller is still a stranger's */
	struct sc_err *caller_error; /* of having asked in vain; NULL: not so */
	bool public; /* anybody may have the answer; else only this caller */
	enum sc_signed url_signed;
	struct sc_err *signature_error; /* where that is SC_SIGNED_BAD */
	const struct sc_route_detail *detail;
	const struct sc_image *image; /* of the route's id; NULL when there is none */
	bool catalogue_lost; /* cannot be read now: what is not in it may be there */
	/* Never NULL: unknown until mw_cache_versions has read them. Handlers read it,
	 * and whoever reads the versions anew makes another one. */
	const struct sc_cache_versions *cache_versions;
	struct sc_plan plan; /* of detail->item, after mw_conditional */
	bool planned;	     /* plan is made already, under these versions */
	struct json_t *body; /* of a request that changes something: its object */
	/* Of what sc_handle_item rendered: what to store instead of its bytes; "": none.
	 */
	char reference[SC_REFERENCE_MAX];
	enum sc_cache_result cache_result;
	bool stored;
};

#define SC_NO_CACHE (-1)

struct sc_route_detail {
	enum sc_right right;
	bool names_image; /* the first argument is an image id */
	/* Fills the item that the path and query name; NULL: the route serves no item. */
	enum sc_status (*item)(const struct sc_request *rq, struct sc_item *out,
			       struct sc_err *err);
	int cache;   /* SC_CACHE_..., or SC_NO_CACHE */
	int version; /* SC_V_... of the item's key, beside the image's */
	sc_middleware_fn handler;
	bool takes_forms; /* as its body, beside JSON: values are texts then */
	/* Which images it is about the handler finds out, and looks at the right to each:
	 * whoever has it to any image gets that far. */
	bool some;
};

extern const struct sc_route sc_routes[];
extern const size_t sc_routes_count;
extern const struct sc_chain sc_app_chain;

/* Middlewares, one file each, in the order of the chain (routes.c). */
enum sc_status sc_mw_log(struct sc_request *rq, struct sc_response *rs,
			 struct sc_err *err);
enum sc_status sc_mw_error(struct sc_request *rq, struct sc_response *rs,
			   struct sc_err *err);
enum sc_status sc_mw_auth(struct sc_request *rq, struct sc_response *rs,
			  struct sc_err *err);
enum sc_status sc_mw_route(struct sc_request *rq, struct sc_response *rs,
			   struct sc_err *err);
enum sc_status sc_mw_cache_versions(struct sc_request *rq, struct sc_response *rs,
				    struct sc_err *err);
enum sc_status sc_mw_acl(struct sc_request *rq, struct sc_response *rs,
			 struct sc_err *err);
enum sc_status sc_mw_change(struct sc_request *rq, struct sc_response *rs,
			    struct sc_err *err);
enum sc_status sc_mw_conditional(struct sc_request *rq, struct sc_response *rs,
				 struct sc_err *err);
enum sc_status sc_mw_cache(struct sc_request *rq, struct sc_response *rs,
			   struct sc_err *err);
enum sc_status sc_mw_handler(struct sc_request *rq, struct sc_response *rs,
			     struct sc_err *err);

/* Handlers. */
enum sc_status sc_handle_item(struct sc_request *rq, struct sc_response *rs,
			      struct sc_err *err);
enum sc_status sc_handle_associated(struct sc_request *rq, struct sc_response *rs,
				    struct sc_err *err);
enum sc_status sc_handle_associated_image(struct sc_request *rq, struct sc_response *rs,
					  struct sc_err *err);
enum sc_status sc_handle_images(struct sc_request *rq, struct sc_response *rs,
				struct sc_err *err);
enum sc_status sc_handle_image(struct sc_request *rq, struct sc_response *rs,
			       struct sc_err *err);
enum sc_status sc_handle_health(struct sc_request *rq, struct sc_response *rs,
				struct sc_err *err);
enum sc_status sc_handle_versions(struct sc_request *rq, struct sc_response *rs,
				  struct sc_err *err);
enum sc_status sc_handle_version(struct sc_request *rq, struct sc_response *rs,
				 struct sc_err *err);
enum sc_status sc_handle_version_invalidate(struct sc_request *rq, struct sc_response *rs,
					    struct sc_err *err);
enum sc_status sc_handle_version_start(struct sc_request *rq, struct sc_response *rs,
				       struct sc_err *err);
enum sc_status sc_handle_version_stop(struct sc_request *rq, struct sc_response *rs,
				      struct sc_err *err);
enum sc_status sc_handle_invalidate(struct sc_request *rq, struct sc_response *rs,
				    struct sc_err *err);
enum sc_status sc_handle_stats(struct sc_request *rq, struct sc_response *rs,
			       struct sc_err *err);

enum sc_status sc_handle_warm(struct sc_request *rq, struct sc_response *rs,
			      struct sc_err *err);
enum sc_status sc_handle_jobs(struct sc_request *rq, struct sc_response *rs,
			      struct sc_err *err);
enum sc_status sc_handle_jobs_add(struct sc_request *rq, struct sc_response *rs,
				  struct sc_err *err);
enum sc_status sc_handle_job(struct sc_request *rq, struct sc_response *rs,
			     struct sc_err *err);
enum sc_status sc_handle_job_cancel(struct sc_request *rq, struct sc_response *rs,
				    struct sc_err *err);

/* Of a plan that cannot be rendered now: when it can be, if it is in quarantine. Whoever
 * asks again sooner asks in vain. handle_item.c */
void sc_say_quarantine(struct sc_request *rq, struct sc_response *rs);

/* Starts a 200 whose JSON body the caller writes into rs->body. */
void sc_json_response(struct sc_response *rs);
/* What of an image a request wants to see. */
struct sc_image_view {
	const char *fields, *omit; /* comma lists of the query; NULL: all, none */
};
enum sc_status sc_image_view_of(const struct sc_request *rq, struct sc_image_view *out,
				struct sc_err *err);
/* The object that lists and single images share. versions: current, of this image. */
void sc_image_json(struct sc_request *rq, const struct sc_image_view *view,
		   const struct sc_image *im, const struct sc_cache_versions *versions,
		   struct sc_buf *out);

/*
 * The token of an image's versioned URLs (?v=): changes whenever any byte that is served
 * for it can change. identity: of the image's file. "" when there is none to give:
 * versions unknown, an image of several files.
 */
#define SC_URL_TOKEN_LEN 17
void sc_url_token(const struct sc_app *app, const struct sc_cache_versions *versions,
		  const struct sc_image *im, const struct sc_identity *identity,
		  char out[SC_URL_TOKEN_LEN]);

/* Before they are read, and when nothing can be. */
extern const struct sc_cache_versions sc_unknown_versions;
/* Reads what is current: the three kinds and, with an image, image/ID. Lives as long as
 * the arena. */
const struct sc_cache_versions *
sc_read_versions(struct sc_app *app, const struct sc_image *im, struct sc_arena *arena);
/* Once in a while, for whoever meets the same error again and again. */
void sc_log_versions_error(struct sc_app *app, const struct sc_err *err);
/* Before the versions of a store are used: see place.c. */
enum sc_status sc_settle_versions(const struct sc_conf *conf, struct sc_versions *v,
				  struct sc_err *err);
/* The same for a request's context, together with the entry that it will most likely
 * want; expect.c */
void sc_read_versions_and_entry(struct sc_request *rq);
struct sc_version_memo *sc_version_memo_new(void);
void sc_version_memo_free(struct sc_version_memo *memo);
/* The first n items are filled: fills the rest. */
void sc_complete_versions(struct sc_cache_versions *v, size_t n);
/* Whether what the route serves is versioned: its kind and its image. Only then it can be
 * stored, or told apart from what it was before. */
bool sc_has_versions(const struct sc_context *ctx);
/* The cache to use; NULL: none is to be used for this request. */
struct sc_cache *sc_cache_to_use(const struct sc_context *ctx);
/* Whether the client says that it has what the plan leads to. */
bool sc_has_current(struct sc_request *rq);
/* The versions of n images (at most SC_IMAGES_AT_ONCE) in one read; false: out of reach.
 */
#define SC_IMAGES_AT_ONCE 16
bool sc_read_image_versions(struct sc_app *app, const struct sc_image *const *images,
			    size_t n, struct sc_version *out);
/* Completes the versions of the kinds by those of one image. */
void sc_add_image_version(struct sc_cache_versions *v, const struct sc_version *image);
/* Opens what could not be opened before, at most once a second. */
void sc_app_retry(struct sc_app *a);
/* From target to route, image and item: what explain shares with the chain. */
enum sc_status sc_resolve(struct sc_request *rq, unsigned *allowed, struct sc_err *err);
enum sc_status sc_plan_request(struct sc_request *rq, struct sc_err *err);
/* SC_DENIED when a browser sends it from a page of another site; origin.c */
enum sc_status sc_check_origin(const struct sc_request *rq, struct sc_err *err);
/* "NAME", "NAME:PORT", as the client calls this host; "localhost" when it does not say.
 * SC_INVALID: what it says is none; host.c */
enum sc_status sc_host_of(const struct sc_request *rq, const char **out,
			  struct sc_err *err);
/* Whether the web server says that it came over TLS; of a proxy before it we know
 * nothing.
 */
bool sc_is_secure(const struct sc_request *rq);
/* Whether the URL's signature lets whoever has it read this image, which is the one that
 * the route names; signed.c */
bool sc_is_signed(struct sc_request *rq, int64_t image);
/* Of a request that is refused with this status: a signature that is wrong or has expired
 * is the better reason. Returns the status that err has then. */
enum sc_status sc_refuse_signed(struct sc_request *rq, enum sc_status status,
				struct sc_err *err);
/* The address as it came, without what a signature is good for. */
const char *sc_uri_for_log(const struct sc_request *rq);
/* Fills ctx->caller from what the request says; as sc_access_identify. mw_auth.c */
enum sc_status sc_identify(struct sc_request *rq, struct sc_err *err);
/* The same, if mw_auth left it for later, and only once: credentials that are wrong count
 * once a request, and are wrong each time. */
enum sc_status sc_identify_once(struct sc_request *rq, struct sc_err *err);
/* What WWW-Authenticate of a 401 offers, and Retry-After of credentials that are not
 * looked at. */
const char *sc_challenge(const struct sc_request *rq);
const char *sc_throttled_text(const struct sc_request *rq);
/*
 * Whether the caller has the right to the image; 0: to all images. SC_STRANGER: nobody
 * knows them, and they might be somebody who has it; SC_NOT_FOUND, with the sentence of
 * an image that is not there: they may not even read it; SC_DENIED: they may read it.
 * SC_UNAVAILABLE: the access lists cannot be read, or nor the catalogue, which might have
 * it. Refusals are counted. mw_acl.c
 */
enum sc_status sc_check_right(struct sc_request *rq, enum sc_right right, int64_t image,
			      struct sc_err *err);
/* The same, to any image at all. Whoever is known may read what there is for them, if it
 * is nothing. */
enum sc_status sc_check_some(struct sc_request *rq, enum sc_right right,
			     struct sc_err *err);
/* Whether they seem to have it, for who looks ahead: nothing is counted. */
bool sc_seems_right(struct sc_request *rq, enum sc_right right, int64_t image);
/* What the caller may, for lists; valid until the next look at anybody's rights. */
enum sc_status sc_caller_grants(struct sc_request *rq, const struct sc_grants **out,
				struct sc_err *err);
/* Of an image that is not there, or is not to be told from one; mw_route.c */
enum sc_status sc_fail_no_image(const struct sc_request *rq, int64_t image,
				struct sc_err *err);

#endif
